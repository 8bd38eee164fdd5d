/** The part of Cloudflare's runtime that `worker.ts` uses. */
declare module "cloudflare:workers" {
  /** An object that lives once in the world under its name. */
  export abstract class DurableObject<Env> {
    protected readonly ctx: DurableObjectState;
    protected readonly env: Env;
    constructor(ctx: DurableObjectState, env: Env);
    abstract fetch(request: Request): Promise<Response>;
  }

  export interface DurableObjectState {
    readonly id: { readonly name?: string };
  }

  export interface DurableObjectNamespace {
    getByName(name: string): Fetcher;
  }

  /** Something that answers requests: an object, or the static assets. */
  export interface Fetcher {
    fetch(request: Request): Promise<Response>;
  }
}
