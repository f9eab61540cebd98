// One prepared answer as a line of JSON to each line that comes: what a socket costs without gRPC.
import { createServer } from "node:net";
import { text } from "node:stream/consumers";

const [socket] = process.argv.slice(2);
// By its input: anybody can read a process list.
const answer = await text(process.stdin);
createServer((peer) => {
  let rest = "";
  peer.setEncoding("utf8").on("error", () => {});
  peer.on("data", (data) => {
    const lines = (rest + data).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      JSON.parse(line);
      peer.write(`${JSON.stringify(JSON.parse(answer))}\n`);
    }
  });
}).listen(socket, () => console.log("ready"));
