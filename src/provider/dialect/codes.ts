import { both, hasCode, type Rule, rule, says } from "./rule.ts";

const listed = (words: string) => hasCode(...words.split(/\s+/).filter(Boolean));

/** Codes that say all, whatever the status and the message. The order settles contradictions. */
export const TELLING_CODES: readonly Rule[] = [
  rule(
    "code.billing",
    listed(`
      insufficient_quota insufficient_credits insufficient_balance insufficient_funds
      insufficient_g1_credits_balance billing_error billing_hard_limit_reached billing_not_active
      billing_disabled payment_required exceeded_current_quota_error credit_balance_too_low
      credits_depleted credits_exhausted out_of_credits creditserror usage_not_included arrearage
      spending-limit
    `),
    "BILLING",
    "PROFILE",
  ),
  rule(
    "code.usage_limit",
    listed(`
      usage_limit_reached usage_limit_exceeded usagelimitexceeded usagelimitreached quota_exceeded
      monthly_limit_reached weekly_limit_reached user_weekly_rate_limited agent_usage_limit_exceeded
      freeusagelimiterror gousagelimiterror free-usage-exhausted
    `),
    "USAGE_LIMIT",
    "PROFILE",
  ),
  rule("code.usage_limit_of_model", listed("quota_exhausted model_cooldown"), "USAGE_LIMIT", "PROFILE_MODEL"),
  rule(
    "code.login_ended",
    listed(`
      invalid_api_key invalidapikey api_key_invalid api_key_expired deactivated_workspace
      workspace_deactivated account_deactivated account_deleted access_token_scope_insufficient
      insufficient_scope
    `),
    "AUTH_PERMANENT",
    "PROFILE",
  ),
  rule(
    "code.token_refused",
    // What a refresh would be told is decided by a refresh, not by a model call.
    listed(`
      token_expired token_revoked token_invalidated invalid_token expired_token access_token_expired
      invalid_authentication_error session_expired invalid_grant refresh_token_expired
      refresh_token_reused refresh_token_invalidated account_session_expired account_auth_invalidated
      app_session_expired app_session_terminated
    `),
    "AUTH_INVALID_TOKEN",
    "PROFILE",
  ),
  rule(
    "code.overloaded",
    listed(`
      overloaded overloaded_error server_is_overloaded server_overloaded serveroverloaded
      engine_overloaded engine_overloaded_error model_overloaded model_capacity_exhausted slow_down
    `),
    "OVERLOADED",
    "PROVIDER",
  ),
  rule(
    "code.place_refused",
    listed("unsupported_country_region_territory unsupported_location"),
    "FORBIDDEN",
    "PROVIDER",
  ),
  rule(
    "code.not_entitled",
    listed("subscription_required service_disabled feature_flag_blocked ip_not_authorized"),
    "FORBIDDEN",
    "PROFILE",
  ),
  rule(
    "code.bad_request",
    listed(`
      context_length_exceeded contextwindowexceeded context_window_exceeded
      model_context_window_exceeded request_too_large string_above_max_length
      model_max_prompt_tokens_exceeded content_filter content_policy_violation data_inspection_failed
      invalid_prompt cyber_policy unsupported_parameter unsupported_value unsupported_api_for_model
      missing_required_parameter previous_response_not_found
    `),
    "BAD_REQUEST",
    "NONE",
  ),
  rule(
    "code.model_not_found",
    listed(`
      model_not_found model_not_found_error modelnotfound model_not_supported unsupported_model
      unknown_model invalid_model deploymentnotfound
    `),
    "MODEL_NOT_FOUND",
    "PROFILE_MODEL",
  ),
];

/** Codes so general that the message is asked first. Throttles are placed by the dialect. */
export const GENERAL_CODES: readonly Rule[] = [
  rule(
    "code.rate_limit",
    listed(`
      rate_limit_error rate_limit_exceeded rate_limit_reached_error rate_limited ratelimitexceeded
      too_many_requests toomanyrequests resource_exhausted throttling throttlingexception
      throttling.ratequota throttling.allocationquota user_model_rate_limited
      user_global_rate_limited tokens requests
    `),
    "RATE_LIMIT",
    "PROFILE_MODEL",
  ),
  rule(
    "code.authentication",
    listed("authentication_error unauthenticated unauthorized unauthorized_error"),
    "AUTH_INVALID_TOKEN",
    "PROFILE",
  ),
  rule(
    "code.permission",
    listed(
      "permission_error permission_denied permission_denied_error forbidden forbidden_error access_denied",
    ),
    "FORBIDDEN",
    "PROFILE",
  ),
  rule("code.timeout", listed("timeout_error deadline_exceeded request_timeout"), "TIMEOUT", "NONE"),
  {
    name: "code.server_error",
    when: listed("api_error server_error internal_error internal_server_error upstream_error unavailable"),
    verdict: ({ source }) => ({
      outcome: "SERVER_ERROR",
      // One response that broke off says nothing about the next one.
      scope: source === "STREAM_EVENT" ? "NONE" : "PROVIDER",
    }),
  },
  rule(
    "code.model_not_found",
    both(listed("not_found not_found_error resource_not_found_error"), says("model")),
    "MODEL_NOT_FOUND",
    "PROFILE_MODEL",
  ),
  rule(
    "code.bad_request",
    listed("invalid_request_error invalid_argument invalid_request bad_request badrequest"),
    "BAD_REQUEST",
    "NONE",
  ),
];
