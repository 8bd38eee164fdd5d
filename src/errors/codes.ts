/** The closed set of codes that an error of AutoMCP can carry: switch over it without a default. */
export type ErrorCode =
  | "authentication_not_configured"
  | "cancelled"
  | "circuit_open"
  | "configuration_invalid"
  | "connection_lost"
  | "connection_refused"
  | "deadline_exceeded"
  | "execution_not_found"
  | "forbidden"
  | "group_not_found"
  | "idempotency_key_reused"
  | "internal"
  | "invalid_arguments"
  | "invalid_request"
  | "invalid_result"
  | "method_not_allowed"
  | "operation_failed"
  | "operation_not_found"
  | "outcome_unknown"
  | "pool_closed"
  | "pool_full"
  | "pool_timeout"
  | "protocol_error"
  | "rate_limited"
  | "server_unauthorized"
  | "session_lost"
  | "shed"
  | "shutting_down"
  | "unauthorized"
  | "unavailable";

/** Codes with which an endpoint refuses a request for good, before anything runs. */
export type RefusalCode =
  | "authentication_not_configured"
  | "configuration_invalid"
  | "execution_not_found"
  | "idempotency_key_reused"
  | "invalid_request"
  | "method_not_allowed";

/** What each code says, in one sentence. */
export const ERROR_CODES: Readonly<Record<ErrorCode, string>> = {
  authentication_not_configured: "The endpoint has no authentication configured and refuses all.",
  cancelled: "The execution was cancelled through its handle or its id.",
  circuit_open: "The server is known to be down, and the caller was dropped while waiting for it.",
  configuration_invalid: "The configuration of the endpoint cannot be used.",
  connection_lost: "The connection broke, or the answer ended, before the result arrived.",
  connection_refused: "No connection to the server could be made; nothing was sent.",
  deadline_exceeded: "The deadline of the execution passed.",
  execution_not_found: "No execution with this id exists for this principal.",
  forbidden: "The credentials are valid but do not allow this.",
  group_not_found: "No group with this name is configured.",
  idempotency_key_reused: "The idempotency key was already used with other arguments.",
  internal: "A defect of AutoMCP or of the code that it was given.",
  invalid_arguments: "The arguments do not match the operation's input schema.",
  invalid_request: "The HTTP request is malformed or too large.",
  invalid_result: "The operation ran, but its result does not match what the server promised.",
  method_not_allowed: "The route exists but not with this HTTP method.",
  operation_failed:
    "The server answered the call with a protocol error, or asked for input that it did not get.",
  operation_not_found: "The server has no operation with this name, or no such resource.",
  outcome_unknown: "An operation that must not be repeated may or may not have run.",
  pool_closed: "The pool was closed.",
  pool_full: "Too many callers wait for a connection already.",
  pool_timeout: "No connection became free in time.",
  protocol_error: "The server broke the protocol, or both sides share no version of it.",
  rate_limited: "The server said that it gets too many requests.",
  server_unauthorized: "The server did not accept the credentials of the endpoint.",
  session_lost: "The server no longer knows the session.",
  shed: "The time that remained was too short for the operation to finish.",
  shutting_down: "The endpoint is shutting down and takes no new work.",
  unauthorized: "The credentials are missing, wrong or expired.",
  unavailable: "The server, or something before it, said that it cannot serve now.",
};
