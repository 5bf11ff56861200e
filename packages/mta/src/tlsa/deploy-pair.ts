/**
 * A private key and a chain out of two files, as a server needs them: the key not locked, the server's certificate first, and the
 * two belonging together. A pair that does not is the commonest accident of scripts that copy certificates, and takes a server down.
 */
import { publicKeyOf } from '@danelaw/dane';
import type { Pair } from './deploy-folder.js';
import { ContentsError, type Item, readContents } from './file-contents.js';

export interface ReadPair {
  readonly pair: Pair;
  /** DER; the server's own first. */
  readonly chain: readonly Uint8Array[];
}

/** @throws (rejects) ContentsError */
export async function readPair(pair: Pair, names: { key: string; chain: string }): Promise<ReadPair> {
  const chain = (await itemsOf(pair.chain, names.chain)).flatMap((item) =>
    item.kind === 'certificate' ? [item.der] : [],
  );
  const keys = (await itemsOf(pair.key, names.key)).filter(({ kind }) => kind === 'private key');
  const [own] = chain;
  const [key] = keys;
  if (own === undefined) throw new ContentsError(`${names.chain}: there is no certificate in it`);
  if (key === undefined || key.kind === 'certificate' || keys.length > 1) {
    throw new ContentsError(
      `${names.key}: there must be one private key in it, and there are ${keys.length}`,
    );
  }
  if (Buffer.compare(publicKeyOf(own), key.spki) !== 0) {
    throw new ContentsError(
      `the private key in ${names.key} does not belong to the first certificate in ${names.chain}: a server can't use ` +
        'them together',
    );
  }
  return { pair, chain };
}

async function itemsOf(octets: Uint8Array, name: string): Promise<readonly Item[]> {
  // Servers read PEM; what it is put beside must be PEM, too.
  if (!Buffer.from(octets).includes('-----BEGIN ')) throw new ContentsError(`${name}: it is not PEM`);
  try {
    return await readContents(octets, async () => {
      throw new ContentsError('its key is encrypted, and a server that starts by itself could not open it');
    });
  } catch (error) {
    if (error instanceof ContentsError) throw new ContentsError(`${name}: ${error.message}`);
    throw error;
  }
}
