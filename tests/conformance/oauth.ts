/** How the conformance client logs in, as a host with a browser would. */
import {
  auth,
  ClientCredentialsProvider,
  CrossAppAccessProvider,
  DpopSession,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  PrivateKeyJwtProvider,
  requestJwtAuthorizationGrant,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from "@modelcontextprotocol/client";

/** What the suite tells the client of one scenario; each scenario sets its own part. */
export interface Context {
  readonly toolCalls?: unknown;
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly private_key_pem?: string;
  readonly signing_algorithm?: string;
  readonly valid_jwt?: string;
  readonly idp_client_id?: string;
  readonly idp_id_token?: string;
  readonly idp_token_endpoint?: string;
}

/** Finishes a login that was begun; `false` if none was. */
export type Login = () => Promise<boolean>;

/** Reads what the suite says in the environment. */
export function readContext(env: Readonly<Record<string, string | undefined>>): Context {
  return JSON.parse(env["MCP_CONFORMANCE_CONTEXT"] ?? "{}");
}

/** Creates what gets the credentials of a scenario. */
export async function createProvider(
  serverUrl: string,
  scenario: string,
  context: Context,
): Promise<{ authProvider: OAuthClientProvider; login: Login }> {
  const machine = createMachineProvider(scenario, context);
  if (machine !== undefined) {
    return { authProvider: machine, login: () => Promise.resolve(false) };
  }
  const authProvider = new BrowserProvider(context);
  if (scenario.startsWith("auth/dpop")) {
    const session = await DpopSession.create();
    Object.assign(authProvider, { dpop: () => session });
  }
  const login = async () => {
    const callback = authProvider.takeCallback();
    const authorizationCode = callback?.get("code");
    if (callback === undefined || !authorizationCode) return false;
    const iss = callback.get("iss");
    const options = { serverUrl, authorizationCode, ...(iss !== null && { iss }) };
    return await auth(authProvider, options) === "AUTHORIZED";
  };
  return { authProvider, login };
}

/** Providers of the SDK for clients without a user. */
function createMachineProvider(
  scenario: string,
  context: Context,
): OAuthClientProvider | undefined {
  const { client_id: clientId = "", client_secret: clientSecret = "" } = context;
  if (scenario === "auth/client-credentials-basic") {
    return new ClientCredentialsProvider({ clientId, clientSecret });
  }
  if (scenario === "auth/client-credentials-jwt") {
    const { private_key_pem: privateKey = "", signing_algorithm: algorithm = "ES256" } = context;
    return new PrivateKeyJwtProvider({ clientId, privateKey, algorithm });
  }
  if (scenario === "auth/wif-jwt-bearer") {
    const provider = new ClientCredentialsProvider({ clientId, clientSecret });
    const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    const { valid_jwt: assertion = "" } = context;
    return Object.assign(provider, {
      prepareTokenRequest: () => new URLSearchParams({ grant_type, assertion }),
    });
  }
  if (scenario !== "auth/enterprise-managed-authorization") return undefined;
  const { idp_client_id, idp_id_token = "", idp_token_endpoint = "" } = context;
  return new CrossAppAccessProvider({
    clientId,
    clientSecret,
    assertion: async ({ authorizationServerUrl, resourceUrl, scope, fetchFn }) => {
      const { jwtAuthGrant } = await requestJwtAuthorizationGrant({
        tokenEndpoint: idp_token_endpoint,
        audience: authorizationServerUrl,
        resource: resourceUrl,
        idToken: idp_id_token,
        clientId: idp_client_id ?? "",
        ...(scope !== undefined && { scope }),
        fetchFn,
      });
      return jwtAuthGrant;
    },
  });
}

/** A user who agrees at once: the page that asks answers with the redirect back. */
class BrowserProvider implements OAuthClientProvider {
  readonly redirectUrl = "http://localhost:3000/callback";
  readonly clientMetadataUrl = "https://conformance-test.local/client-metadata.json";
  readonly clientMetadata = {
    client_name: "automcp-conformance",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
  };
  #client: StoredOAuthClientInformation | undefined;
  #tokens: StoredOAuthTokens | undefined;
  #discovery: OAuthDiscoveryState | undefined;
  #verifier = "";
  #callback: URLSearchParams | undefined;

  constructor({ client_id, client_secret }: Context) {
    if (client_id === undefined) return;
    this.#client = { client_id, ...(client_secret !== undefined && { client_secret }) };
  }

  takeCallback(): URLSearchParams | undefined {
    const callback = this.#callback;
    this.#callback = undefined;
    return callback;
  }

  clientInformation = () => this.#client;
  saveClientInformation = (client: StoredOAuthClientInformation) => void (this.#client = client);
  tokens = () => this.#tokens;
  discoveryState = () => this.#discovery;
  saveDiscoveryState = (state: OAuthDiscoveryState) => void (this.#discovery = state);
  codeVerifier = () => this.#verifier;
  saveCodeVerifier = (verifier: string) => void (this.#verifier = verifier);

  saveTokens(tokens: StoredOAuthTokens): void {
    this.#tokens = tokens;
    // It belongs to one login: the server may name another authorization server for the next.
    this.#discovery = undefined;
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const response = await fetch(url, { redirect: "manual" });
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (location !== null) this.#callback = new URL(location, url).searchParams;
  }
}
