/** Durations and sizes as people write them: `90s`, `5m`, `4h`, `5d`; `500KiB`, `25MiB`, `1GiB`. */

const UNITS_OF_TIME: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const UNITS_OF_SIZE: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Milliseconds; undefined where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]{1,9})(ms|s|m|h|d)$/u.exec(text);
  const unit = UNITS_OF_TIME[match?.[2] ?? 'none'];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}

/** Octets; undefined where the text is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,12})(|KiB|MiB|GiB)$/u.exec(text);
  const unit = UNITS_OF_SIZE[match?.[2] ?? 'none'];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}
