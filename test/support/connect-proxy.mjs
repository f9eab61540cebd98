// An HTTP proxy as a program, for CONNECT only. Arguments: `host:port=port` pairs, the hosts that it knows
// and the ports of this machine behind them. Prints `port N`, then a line for each tunnel it is asked for.
import { createServer } from "node:http";
import { connect } from "node:net";

const known = new Map(process.argv.slice(2).map((pair) => pair.split("=")));

const server = createServer((_request, response) => response.writeHead(405).end());
server.on("connect", (request, client) => {
  console.log(`tunnel ${request.url}`);
  const port = known.get(request.url);
  if (port === undefined) return void client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  const upstream = connect(Number(port), "127.0.0.1", () => {
    client.write("HTTP/1.1 200 OK\r\n\r\n");
    upstream.pipe(client).pipe(upstream);
  });
  client.on("error", () => upstream.destroy());
  upstream.on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
