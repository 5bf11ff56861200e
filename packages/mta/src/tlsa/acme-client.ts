/** Programs that get certificates, and how each is told to keep the key when it renews one. */

export const ACME_CLIENTS = ['certbot', 'lego', 'dehydrated', 'acme.sh'] as const;
export type AcmeClient = (typeof ACME_CLIENTS)[number];

/** By their own words: certbot 2.1 and lego 4.9 `--help`, dehydrated 0.7's example of a configuration, acme.sh 3.1 `--help`. */
export function howToKeepKey(client: AcmeClient): string {
  switch (client) {
    case 'certbot':
      return 'certbot keeps it with "reuse-key = true" in /etc/letsencrypt/cli.ini, or with "certbot renew --reuse-key"';
    case 'lego':
      return 'lego keeps it with "lego ... renew --reuse-key"';
    case 'dehydrated':
      return 'dehydrated keeps it with PRIVATE_KEY_RENEW="no" in its configuration';
    case 'acme.sh':
      return 'acme.sh keeps it unless the certificate was issued with --always-force-new-domain-key: issue it without';
    default: {
      const never: never = client;
      return never;
    }
  }
}
