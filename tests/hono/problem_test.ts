import { assert, assertEquals } from "@std/assert";
import { ERROR_CODES, type ErrorCode } from "../../src/errors/codes.ts";
import { createClientError } from "../../src/errors/errors.ts";
import { problemResponse, toCallerError, toProblem } from "../../src/hono/problem.ts";

const codes = Object.keys(ERROR_CODES) as ErrorCode[];

Deno.test("problemResponse answers every code with problem details", async () => {
  for (const code of codes) {
    const response = problemResponse(createClientError(code, "What happened"));
    assertEquals(response.headers.get("content-type"), "application/problem+json", code);
    const problem = await response.json();
    assertEquals(problem.status, response.status, code);
    assertEquals([problem.type, problem.title, problem.detail, problem.code], [
      `urn:automcp:problem:${code}`,
      ERROR_CODES[code],
      "What happened",
      code,
    ]);
    assert(problem.status >= 400 && problem.status < 600, code);
  }
});

Deno.test("problemResponse says when to come back for each code that passes by itself", () => {
  const told = codes.filter((code) =>
    problemResponse(createClientError(code, "")).headers.get("retry-after") === "1"
  );
  assertEquals(told.sort(), [
    "circuit_open",
    "pool_closed",
    "pool_full",
    "rate_limited",
    "shed",
    "shutting_down",
    "unavailable",
  ]);
  const asked = problemResponse(createClientError("rate_limited", "", { retryAfterMs: 1_001 }));
  assertEquals(asked.headers.get("retry-after"), "2");
});

Deno.test("toProblem tells what is proved, and of the cause at most the code", () => {
  const error = createClientError("outcome_unknown", "Nobody knows", {
    attempts: 2,
    executionId: "e1",
    cause: createClientError("connection_lost", "Bearer s3cr3t"),
  });
  assertEquals(toProblem(error), {
    type: "urn:automcp:problem:outcome_unknown",
    title: ERROR_CODES.outcome_unknown,
    status: 502,
    detail: "Nobody knows",
    code: "outcome_unknown",
    delivery: "unknown",
    retryable: false,
    executionId: "e1",
    attempts: 2,
    cause: "connection_lost",
  });
  const foreign = createClientError("operation_failed", "No", { cause: new Error("s3cr3t") });
  assertEquals(toProblem(foreign).cause, undefined);
});

Deno.test("toProblem points at the faults of the arguments", () => {
  const issues = [{ pointer: "/a", message: "must be a number" }];
  const problem = toProblem(createClientError("invalid_arguments", "No", { issues }));
  assertEquals([problem.status, problem.errors], [400, issues]);
});

Deno.test("toProblem tells what the server asked for", () => {
  const asked = [{ method: "elicitation/create", message: "Sure?", requestedSchema: {} }];
  const problem = toProblem(createClientError("operation_failed", "It asks", { asked }));
  assertEquals([problem.status, problem.asked], [502, asked]);
});

Deno.test("toCallerError keeps the server's refusal apart from the caller's credentials", () => {
  for (const code of ["unauthorized", "forbidden"] as const) {
    const error = createClientError(code, "No", { attempts: 1, executionId: "e1" });
    const { code: told, attempts, executionId, cause } = toCallerError(error);
    assertEquals([told, attempts, executionId, cause], ["server_unauthorized", 1, "e1", error]);
  }
  const other = createClientError("rate_limited", "Later");
  assertEquals(toCallerError(other), other);
});
