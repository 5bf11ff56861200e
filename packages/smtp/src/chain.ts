/** The certificate chain exactly as the server sent it: `sent-chain.ts` of @danelaw/dane says how it is got. */
export { MAX_CHAIN_CERTIFICATES, takeChain } from '@danelaw/dane';
