/** Why an update was not carried out, in words: who refused it, by which rule, and what to do. */
import type { TsigKey, Update, UpdateOutcome } from '@danelaw/dns';

export interface UpdateFailure {
  readonly status: 'failed';
  /** `forbidden`: it won't be carried out before a person has changed something. */
  readonly kind: 'temporary' | 'forbidden';
  readonly reason: string;
}

export interface FailedUpdate {
  /** For messages. */
  readonly server: string;
  readonly key: TsigKey;
  readonly update: Update;
}

export const updateFailure = (kind: UpdateFailure['kind'], reason: string): UpdateFailure => ({
  status: 'failed',
  kind,
  reason,
});

type Failed = Exclude<UpdateOutcome, { status: 'done' }>;

/** RFC 8945 section 5.2.3, as requests are signed here. */
const ALLOWED_SECONDS = 300;
const LOOK_ANEW = 'whether it was carried out shows at the next look';

export function failureOf(outcome: Failed, failed: FailedUpdate): UpdateFailure {
  const { server, key } = failed;
  switch (outcome.status) {
    case 'refused':
      return refusal(outcome.rcode, failed);
    case 'key-refused':
      return keyRefusal(outcome.error, failed);
    case 'clock': {
      const seconds = Math.abs(outcome.ahead);
      const where = outcome.ahead > 0 ? 'ahead of' : 'behind';
      const said = outcome.isSigned ? '' : ' (an unsigned answer says so)';
      const result = outcome.isRejected ? 'nothing was changed' : LOOK_ANEW;
      return updateFailure(
        'temporary',
        `the clock of ${server} is ${seconds} seconds ${where} ours${said}, and ` +
          `${ALLOWED_SECONDS} are allowed (RFC 8945 section 5.2.3, BADTIME): ${result}; ` +
          'set the clock that is wrong',
      );
    }
    case 'unproved':
      return updateFailure(
        'temporary',
        `the answer of ${server} (${outcome.rcode}) proves nothing: ${outcome.reason} ` +
          `(RFC 8945 section 5.4); ${LOOK_ANEW}. Is it a server that takes updates with the key ` +
          `"${key.name}"? If not, give the one with --update-server`,
      );
    case 'unanswered':
      return updateFailure(
        'temporary',
        `no answer of ${server} to the update: ${outcome.reason}; ${LOOK_ANEW}`,
      );
    default: {
      const never: never = outcome;
      return never;
    }
  }
}

/** RFC 2136 section 3: signed by the server, and nothing was changed. */
function refusal(rcode: string, { server, key, update }: FailedUpdate): UpdateFailure {
  const name = update.changes[0]?.name.toString() ?? '';
  const refused = (kind: UpdateFailure['kind'], words: string): UpdateFailure =>
    updateFailure(
      kind,
      `${server} did not carry out the update: ${rcode} (RFC 2136 ${words}. Nothing was changed`,
    );
  switch (rcode) {
    case 'REFUSED':
      return refused(
        'forbidden',
        `section 3.3): its policy does not let the key "${key.name}" change TLSA records of ${name}. ` +
          `In BIND: update-policy { grant ${key.name} name ${name}. TLSA; }; ` +
          'in Knot: an acl with the key and "action: update"',
      );
    case 'NOTAUTH':
      return refused(
        'forbidden',
        `section 3.1): it has not the zone ${update.zone}; give its primary server with --update-server`,
      );
    case 'NOTZONE':
      return refused(
        'forbidden',
        `section 3.4.1): ${name} is not in its zone ${update.zone}; was a zone cut made in between?`,
      );
    case 'NOTIMP':
      return refused(
        'forbidden',
        'section 3): it takes no updates; give the primary server with --update-server',
      );
    case 'FORMERR':
      return refused('forbidden', 'section 3): it does not understand the update; see its log');
    case 'YXRRSET':
      return refused(
        'temporary',
        `section 3.2): there is an alias (CNAME) at ${name} by now, beside which no TLSA record can be`,
      );
    case 'NXRRSET':
      return refused('temporary', 'section 3.2): the records were changed in this moment; look anew');
    default:
      return refused('temporary', 'section 3): see its log');
  }
}

function keyRefusal(error: 'BADKEY' | 'BADSIG' | 'BADTRUNC', failed: FailedUpdate): UpdateFailure {
  const { server, key, update } = failed;
  const refused = (words: string): UpdateFailure =>
    updateFailure('forbidden', `${server} refuses the key "${key.name}" (${key.algorithm}): ${words}`);
  switch (error) {
    case 'BADKEY':
      return refused(
        'BADKEY (RFC 8945 section 5.2.1). Either it knows none of this name and algorithm; or, in Knot, ' +
          `no acl lets it update TLSA records of ${update.changes[0]?.name ?? update.zone}`,
      );
    case 'BADSIG':
      return refused('BADSIG (RFC 8945 section 5.2.2): the secret that it has for it is another one');
    case 'BADTRUNC':
      return refused('BADTRUNC (RFC 8945 section 5.2.4): it asks for a longer MAC than the algorithm has');
    default: {
      const never: never = error;
      return never;
    }
  }
}
