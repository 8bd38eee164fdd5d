import type { AuthProvider } from "@modelcontextprotocol/client";
import type { Clock } from "../../src/resilience/clock.ts";

/** How long a new credential takes. */
const RENEWAL_MS = 200;
const CREDENTIAL_REGEXP = /^Bearer issued-(-?[\d.]+)$/;

/**
 * Renews a credential whenever it is asked to, each time anew: whether that happens once for all who
 * were refused is up to the client.
 */
export function createAuthProvider(clock: Clock, onRenew: () => void): AuthProvider {
  let token = `issued-${clock.now()}`;
  return {
    token: () => Promise.resolve(token),
    onUnauthorized: async () => {
      onRenew();
      await clock.sleep(RENEWAL_MS);
      token = `issued-${clock.now()}`;
    },
  };
}

/** Returns when the credential of a request was issued; without one, never. */
export function parseCredential(header: string | null): number {
  return Number(CREDENTIAL_REGEXP.exec(header ?? "")?.[1] ?? -Infinity);
}
