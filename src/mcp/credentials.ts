import {
  auth,
  AuthorizationServerMismatchError,
  type AuthProvider,
  extractWWWAuthenticateParams,
  type OAuthClientProvider,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { abortable } from "../client/abort.ts";
import type { Clock } from "../resilience/clock.ts";
import { WireFault } from "./failure.ts";

/** How long one renewal may keep others waiting; after that, another may be tried. */
const RENEWAL_MS = 60_000;

type Renew = NonNullable<AuthProvider["onUnauthorized"]>;

/**
 * The credentials of a connector, for all its connections: what is refused by many calls at the same
 * time is renewed once. A server that lets all tokens expire together would otherwise have every call
 * ask for a new one.
 */
export class SharedCredentials {
  /** The user's provider, as the SDK is to be given it. */
  readonly provider: AuthProvider | OAuthClientProvider;
  /** What the requests of all connections take their token from. */
  readonly shared: AuthProvider;
  readonly #clock: Clock;
  /** The token that each refused request was sent with, by its answer. */
  readonly #sent = new WeakMap<object, string>();
  #running: Promise<void> | undefined;
  /** The token of the last renewal. */
  #renewed: string | undefined;

  constructor(provider: AuthProvider | OAuthClientProvider, clock: Clock) {
    this.provider = "tokens" in provider ? pinIssuer(provider) : provider;
    this.#clock = clock;
    const own: AuthProvider = "tokens" in this.provider
      ? toAuthProvider(this.provider)
      : this.provider;
    const renew = own.onUnauthorized?.bind(own);
    const token = () => own.token();
    this.shared = {
      token,
      ...(renew && { onUnauthorized: (context) => this.#renew(context, token, renew) }),
    };
  }

  /** Takes note of what a request was sent with that was refused. */
  noteRefused(answer: Response, headers: Headers): void {
    this.#sent.set(answer, headers.get("authorization")?.split(" ").at(-1) ?? "");
  }

  async #renew(
    context: Parameters<Renew>[0],
    token: AuthProvider["token"],
    renew: Renew,
  ): Promise<void> {
    // A request that was under way while the token was renewed only has to go out again.
    const outdated = this.#renewed !== undefined &&
      this.#sent.get(context.response) !== this.#renewed && await token() === this.#renewed;
    if (outdated) return;
    this.#running ??= this.#limit(renew(context)).finally(() => this.#running = undefined);
    await this.#running;
    this.#renewed = await token();
  }

  async #limit(work: Promise<void>): Promise<void> {
    const abort = new AbortController();
    const undo = this.#clock.setTimer(RENEWAL_MS, () => {
      abort.abort(new WireFault({ kind: "no_answer", timedOut: true }, undefined, "not_executed"));
    });
    try {
      await abortable(work, abort.signal);
    } finally {
      undo();
    }
  }
}

/** Has the SDK's OAuth flow obtain tokens, as its transports do by themselves. */
function toAuthProvider(provider: OAuthClientProvider): AuthProvider {
  return {
    token: async () => (await provider.tokens())?.access_token,
    async onUnauthorized({ response, serverUrl, fetchFn }) {
      const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response);
      const options = {
        ...{ serverUrl, fetchFn },
        ...(resourceMetadataUrl !== undefined && { resourceMetadataUrl }),
        ...(scope !== undefined && { scope }),
      };
      if (await auth(provider, options) !== "AUTHORIZED") throw new UnauthorizedError();
    },
  };
}

/**
 * Keeps credentials that were registered beforehand with the first issuer that they were used for: the
 * server names the issuer, and may name another one later. Credentials that say themselves whom they
 * belong to, and those that are registered as needed, the SDK looks after.
 */
function pinIssuer(provider: OAuthClientProvider): OAuthClientProvider {
  if (provider.saveClientInformation !== undefined) return provider;
  let pinned: string | undefined;
  const clientInformation: OAuthClientProvider["clientInformation"] = (context) => {
    const { issuer } = context ?? {};
    if (pinned !== undefined && issuer !== undefined && issuer !== pinned) {
      throw new AuthorizationServerMismatchError(pinned, issuer);
    }
    pinned ??= issuer;
    return provider.clientInformation(context);
  };
  return new Proxy(provider, {
    get(target, name) {
      if (name === "clientInformation") return clientInformation;
      const value = Reflect.get(target, name, target);
      // Its methods may use what only the provider itself can see.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
