/**
 * Reads JSON that was written by this program, perhaps long ago, perhaps damaged since: every field is checked
 * before it is believed.
 */

/** What was read is not what was written. */
export class DamagedRecordError extends Error {
  override readonly name = 'DamagedRecordError';
}

export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;

  /** @throws `DamagedRecordError` where it is no object */
  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new DamagedRecordError('An object was expected.');
    }
    this.#values = new Map(Object.entries(value));
  }

  static parse(text: string): Fields {
    return new Fields(parseJson(text));
  }

  string(name: string): string {
    return this.optionalString(name) ?? wrong(name);
  }

  optionalString(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === undefined || typeof value === 'string' ? value : wrong(name);
  }

  /** A whole number. */
  number(name: string): number {
    return this.optionalNumber(name) ?? wrong(name);
  }

  optionalNumber(name: string): number | undefined {
    const value = this.#values.get(name);
    if (value === undefined) return undefined;
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : wrong(name);
  }

  /** What is not there is false. */
  flag(name: string): boolean {
    const value = this.#values.get(name);
    if (value === undefined) return false;
    return typeof value === 'boolean' ? value : wrong(name);
  }

  optionalOneOf<const T extends string>(name: string, words: readonly T[]): T | undefined {
    const value = this.optionalString(name);
    if (value === undefined) return undefined;
    return words.find((word) => word === value) ?? wrong(name);
  }

  list(name: string): readonly unknown[] {
    return this.optionalList(name) ?? wrong(name);
  }

  optionalList(name: string): readonly unknown[] | undefined {
    const value = this.#values.get(name);
    return value === undefined || Array.isArray(value) ? value : wrong(name);
  }

  stringOrList(name: string): string | readonly unknown[] | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : this.optionalList(name);
  }

  object(name: string): Fields {
    return this.optionalObject(name) ?? wrong(name);
  }

  optionalObject(name: string): Fields | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : new Fields(value);
  }
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DamagedRecordError('It is no JSON.');
  }
}

function wrong(name: string): never {
  throw new DamagedRecordError(`${name} is missing or not what it should be.`);
}
