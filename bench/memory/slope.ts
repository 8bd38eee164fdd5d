/** A line through points, by least squares. */
export interface Slope {
  /** By how much y grows with x. */
  readonly slope: number;
  /** The slope's standard error. */
  readonly error: number;
}

/** Returns the slope of the line nearest to at least three points. */
export function fitSlope(points: readonly (readonly [x: number, y: number])[]): Slope {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (count - 2) / spread) };
}

/** Returns by how much one slope is more than another one that was measured apart. */
export function subtractSlope(slope: Slope, other: Slope): Slope {
  return { slope: slope.slope - other.slope, error: Math.hypot(slope.error, other.error) };
}

/** Whether a slope cannot be told from none: it lies within two of its standard errors. */
export function isFlat({ slope, error }: Slope): boolean {
  return Math.abs(slope) <= 2 * error;
}
