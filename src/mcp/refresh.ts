import type { AuthProvider, OAuthClientProvider } from "@modelcontextprotocol/client";

/**
 * Has credentials renewed once for all calls that they were refused to at the same time; a server that
 * lets all tokens expire together would otherwise be asked for a new one by every call.
 *
 * @param provider The user's. One of OAuth is returned as it is: its flow belongs to the SDK.
 */
export function shareRefresh<T extends AuthProvider | OAuthClientProvider>(provider: T): T {
  if (!("token" in provider) || provider.onUnauthorized === undefined) return provider;
  type Refresh = NonNullable<AuthProvider["onUnauthorized"]>;
  let running: Promise<void> | undefined;
  const onUnauthorized: Refresh = (context) =>
    running ??= Promise.resolve(provider.onUnauthorized?.(context)).finally(() => {
      running = undefined;
    });
  const shared: AuthProvider = { token: () => provider.token(), onUnauthorized };
  return shared as T;
}
