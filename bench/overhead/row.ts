/** One thing that is measured beside others. */
export interface Row {
  /** What all rows of a group do. */
  readonly group: string;
  /** Who does it. */
  readonly name: string;
  /** Whether the other rows of the group are measured by this one. */
  readonly isPeer: boolean;
  /** How many operations one run is. */
  readonly operations: number;
  /** Does them. */
  run(): Promise<unknown>;
}
