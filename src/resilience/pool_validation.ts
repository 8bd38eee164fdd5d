import type { ResourceFailure, Slot } from "./managed_resource.ts";
import type { ResolvedPoolOptions, ValidateOptions } from "./pool_options.ts";

/** Asks whether a resource is still good. */
export type Validate<T> = (resource: T, options: ValidateOptions) => boolean | Promise<boolean>;

/**
 * Validates a resource; never rejects. A validator that throws, or does not end in time, finds the
 * resource invalid: it must cost neither the place nor the caller who waits for it.
 *
 * @param slot The resource, with what ends its validation early.
 * @param validate The validator; what it does after its signal is ignored.
 * @param options How long it may take, and on which clock.
 * @returns What made it invalid, an empty object if it just is; `undefined` if it is valid.
 */
export async function findInvalid<T>(
  { resource, validation = new AbortController() }: Slot<T>,
  validate: Validate<T>,
  { clock, validationTimeoutMs }: ResolvedPoolOptions<T>,
): Promise<ResourceFailure | undefined> {
  const { signal } = validation;
  const expire = (): void => {
    const message = `Not validated within ${validationTimeoutMs} ms`;
    validation.abort(new DOMException(message, "TimeoutError"));
  };
  const undo = validationTimeoutMs === Infinity
    ? undefined
    : clock.setTimer(validationTimeoutMs, expire);
  try {
    return await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      const validating = (async () => await validate(resource, { signal }))();
      validating.then((valid) => resolve(valid ? undefined : {}), reject);
    });
  } catch (error) {
    return { error };
  } finally {
    undo?.();
  }
}
