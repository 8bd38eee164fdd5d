import { Client, type Transport } from "@modelcontextprotocol/client";
import { abortable } from "../client/abort.ts";
import type { ConnectionOptions } from "../client/ports.ts";
import { CLIENT_INFO } from "./client_info.ts";
import { McpConnection, type McpConnectionOptions, toTimeoutMs } from "./connection.ts";
import { toFailure } from "./failure.ts";

/** What opening a connection needs. */
export interface OpenOptions extends McpConnectionOptions {
  /** Whether the server is known to be of the legacy era; else it is asked. */
  readonly legacy: boolean;
  /** How long the question for the era may take. */
  readonly probeTimeoutMs?: number;
}

/** Opens a connection over a transport that nobody else uses. */
export async function openConnection(
  transport: Transport,
  options: OpenOptions,
  { signal, deadline }: ConnectionOptions,
): Promise<McpConnection> {
  const { legacy, probeTimeoutMs, treat503AsNotExecuted } = options;
  const probe = { ...(probeTimeoutMs !== undefined && { timeoutMs: probeTimeoutMs }) };
  const client = new Client(CLIENT_INFO, { versionNegotiation: { mode: "auto", probe } });
  const connecting = client.connect(transport, {
    timeout: toTimeoutMs(deadline),
    ...(legacy && { prior: { kind: "legacy" } }),
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
  return new McpConnection(client, options);
}
