/**
 * Name constraints (RFC 5280 section 4.2.1.10): which names a CA may speak for.
 *
 * A name of a certificate is allowed if it lies in one of the permitted subtrees of its form (where that form has
 * any) and in none of the excluded ones. Two forms are evaluated, those that matter to a mail server's certificate: DNS
 * names and directory names. Where another form is constrained and the certificate has a name of that form, the
 * certificate is refused: "applications MUST either process the constraint or reject the certificate".
 *
 * Where no DNS-ID is present the common names will count as DNS names (RFC 7672 section 3.2.3), so they are
 * constrained as DNS names - else leaving the subjectAltName out would lift every constraint. Those that no host
 * name could match (`Example Mail Service`) are not.
 */
import type { Certificate } from './certificate.js';
import { canonicalRdns, commonNames, emailAddresses } from './distinguished-name.js';
import type { Extensions, NameConstraints, NameForm, Subtree } from './extensions.js';
import { isPresentable } from './reference-identifier.js';

/** A certificate below the one that has the constraints. */
export interface ConstrainedNames {
  readonly dns: readonly string[];
  /** Canonical RDNs of the subject (where it is not empty) and of each directoryName. */
  readonly directory: readonly (readonly string[])[];
  readonly forms: ReadonlySet<NameForm>;
}

/** @param isLeaf common names only count in the server's own certificate */
export function constrainedNames(
  certificate: Certificate,
  extensions: Extensions,
  isLeaf: boolean,
): ConstrainedNames {
  const { subject } = certificate.layout;
  const alternative = extensions.subjectAltName;
  const dnsIds = alternative?.dns ?? [];
  const forms = new Set(alternative?.forms);
  const subjectRdns = canonicalRdns(subject);
  // Section 4.2.1.10: an emailAddress in the subject counts as an rfc822Name where there is no other.
  if (emailAddresses(subject).length > 0) forms.add('email');
  return {
    dns: dnsIds.length === 0 && isLeaf ? commonNames(subject).filter(isPresentable) : dnsIds,
    directory: [
      ...(subjectRdns.length > 0 ? [subjectRdns] : []),
      ...(alternative?.directory ?? []).map(canonicalRdns),
    ],
    forms,
  };
}

/** Why the names break the constraints; `undefined` where they do not. */
export function constraintViolation(
  names: ConstrainedNames,
  constraints: NameConstraints,
): string | undefined {
  const { permitted, excluded } = constraints;
  const unevaluated = [...permitted, ...excluded].find(
    ({ form }) => isUnevaluated(form) && names.forms.has(form),
  );
  if (unevaluated) return `a name of the form "${unevaluated.form}", whose constraints can't be evaluated`;
  for (const name of names.dns) {
    if (excluded.some((subtree) => subtree.form === 'dns' && touchesDns(name, subtree.base))) {
      return `the excluded name ${show(name)}`;
    }
    if (
      !isPermitted(permitted, 'dns', (subtree) => subtree.form === 'dns' && withinDns(name, subtree.base))
    ) {
      return `the name ${show(name)}, outside the permitted ones`;
    }
  }
  for (const name of names.directory) {
    const within = (subtree: Subtree): boolean =>
      subtree.form === 'directory' && startsWith(name, subtree.base);
    if (excluded.some(within)) return 'an excluded directory name';
    if (!isPermitted(permitted, 'directory', within)) return 'a directory name outside the permitted ones';
  }
  return undefined;
}

const isUnevaluated = (form: NameForm): boolean => form !== 'dns' && form !== 'directory';

/** A form without a permitted subtree is not restricted. */
function isPermitted(
  permitted: readonly Subtree[],
  form: NameForm,
  within: (subtree: Subtree) => boolean,
): boolean {
  const ofForm = permitted.filter((subtree) => subtree.form === form);
  return ofForm.length === 0 || ofForm.some(within);
}

/**
 * "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side of the name."
 * An empty base holds every name. A base with a leading dot (not in the RFC, but in use) holds those below it only.
 */
function withinDns(name: string, base: string): boolean {
  const lower = name.toLowerCase();
  const tree = base.toLowerCase();
  if (tree === '' || lower === tree) return true;
  return lower.endsWith(tree.startsWith('.') ? tree : `.${tree}`);
}

/** Could the name - a wildcard, perhaps - stand for one within the excluded subtree? */
function touchesDns(name: string, base: string): boolean {
  if (withinDns(name, base)) return true;
  if (!name.startsWith('*.')) return false;
  // `*.example.com` stands for the excluded `mx.example.com`, too: same labels behind the first.
  const tree = base.toLowerCase();
  const firstDot = tree.indexOf('.');
  return firstDot > 0 && tree.slice(firstDot + 1) === name.slice(2).toLowerCase();
}

/** Is the base an initial sequence of the name's RDNs? */
function startsWith(name: readonly string[], base: Uint8Array): boolean {
  const tree = canonicalRdns(base);
  return tree.length <= name.length && tree.every((rdn, index) => rdn === name[index]);
}

const show = (name: string): string => name.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
