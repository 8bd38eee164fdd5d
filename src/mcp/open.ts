import {
  Client,
  type DiscoverResult,
  type PriorDiscovery,
  type Transport,
} from "@modelcontextprotocol/client";
import { abortable } from "../client/abort.ts";
import type { ConnectOptions, JsonObject } from "../client/ports.ts";
import { CLIENT_INFO } from "./client_info.ts";
import { McpConnection, type McpConnectionOptions, toTimeoutMs } from "./connection.ts";
import { toFailure } from "./failure.ts";
import { toCapabilities } from "./input.ts";
import { LegacyInputs, type QuestionSource } from "./legacy_inputs.ts";
import { passTasks } from "./sdk_caller.ts";
import { TASK_CAPABILITIES } from "./tasks.ts";

/** A server's era; of a modern one, what it answered to `server/discover`. */
export type KnownEra =
  | { readonly era: "legacy" }
  | { readonly era: "modern"; readonly discover: JsonObject };

/** What opening a connection needs. */
export interface OpenOptions extends McpConnectionOptions {
  /** What is known of the server's era; without it, the server is asked. */
  readonly known?: KnownEra | undefined;
  /** How long the question for the era may take. */
  readonly probeTimeoutMs?: number;
}

/** Opens a connection over a transport that nobody else uses. */
export async function openConnection(
  transport: Transport & QuestionSource,
  options: OpenOptions,
  { signal, deadline, onOperationsChanged }: ConnectOptions,
): Promise<McpConnection> {
  const { handlers, known, probeTimeoutMs, treat503AsNotExecuted } = options;
  const probe = { ...(probeTimeoutMs !== undefined && { timeoutMs: probeTimeoutMs }) };
  const client = new Client(CLIENT_INFO, {
    capabilities: { ...toCapabilities(handlers), ...TASK_CAPABILITIES },
    versionNegotiation: { mode: "auto", probe },
  });
  const inputs = new LegacyInputs(handlers, transport, client);
  if (onOperationsChanged !== undefined) {
    // On a stream of the session's own or of any request; a modern server has a stream for it.
    client.setNotificationHandler("notifications/tools/list_changed", () => onOperationsChanged());
  }
  const connecting = client.connect(transport, {
    timeout: toTimeoutMs(deadline),
    ...(known && { prior: toPrior(known) }),
  });
  try {
    await abortable(connecting, signal);
  } catch (error) {
    if (signal.aborted) {
      // The SDK's handshake cannot be stopped by a signal, only by closing its transport.
      void transport.close().catch(() => {});
      throw signal.reason;
    }
    throw toFailure(error, { act: "connect", effect: "safe", treat503AsNotExecuted });
  }
  if (client.getProtocolEra() === "modern") passTasks(transport);
  return new McpConnection(client, inputs, options);
}

function toPrior(known: KnownEra): PriorDiscovery {
  // The SDK checks what it is given.
  return known.era === "legacy"
    ? { kind: "legacy" }
    : { kind: "modern", discover: known.discover as unknown as DiscoverResult };
}
