/**
 * The operator's certificate and key, read from files and read again when they change.
 *
 * Who renews certificates replaces two files one after the other, or the links to them. Between the two they
 * don't belong together; such a pair is not used: the one before stays, the problem is told once, and the
 * next look finds the whole pair. So a look every few seconds is enough, and better than a watch on files
 * that are moved away.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { CertificateFiles } from './options.js';

export interface CertificatePair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly notAfter: Date;
}

/** The files hold no certificate and key that belong together; the message names them. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** @throws CertificateError */
export async function readCertificate(files: CertificateFiles): Promise<CertificatePair> {
  try {
    const [cert, key] = await Promise.all([readFile(files.certificate, 'utf8'), readFile(files.key, 'utf8')]);
    const certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      throw new Error('the key is of another certificate');
    createSecureContext({ cert, key });
    return { cert, key, notAfter: new Date(certificate.validTo) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CertificateError(`${files.certificate} and ${files.key} can't be used: ${why}`);
  }
}

/** Whom a look at the files tells what it found. */
export interface CertificateWatcher {
  changed(pair: CertificatePair, files: CertificateFiles): void;
  problem(what: string): void;
}

export class CertificateWatch {
  readonly #files: CertificateFiles;
  readonly #watcher: CertificateWatcher;
  #seen = '';
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(files: CertificateFiles, watcher: CertificateWatcher) {
    this.#files = files;
    this.#watcher = watcher;
  }

  get files(): CertificateFiles {
    return this.#files;
  }

  /** @throws CertificateError (rejects) where there is no usable pair to start with */
  async start(interval: number): Promise<CertificatePair> {
    this.#seen = await this.#signature();
    const pair = await readCertificate(this.#files);
    this.#timer = setInterval(() => void this.look(), interval);
    this.#timer.unref();
    return pair;
  }

  /** Looks now. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const seen = await this.#signature();
    if (seen === this.#seen) return;
    this.#seen = seen;
    try {
      const pair = await readCertificate(this.#files);
      // Changed again while it was read: the next look will tell what is there now.
      if ((await this.#signature()) !== seen) this.#seen = '';
      else this.#watcher.changed(pair, this.#files);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#watcher.problem(`${why}. The certificate that was read before stays in use`);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What changes with either file, or with the link to it. */
  async #signature(): Promise<string> {
    const parts = [this.#files.certificate, this.#files.key].map(async (file) => {
      try {
        const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file);
        return [dev, ino, size, mtimeMs, ctimeMs].join(':');
      } catch {
        return 'unreadable';
      }
    });
    return (await Promise.all(parts)).join(' ');
  }
}
