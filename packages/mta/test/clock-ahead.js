/**
 * Loaded into a program before itself (`NODE_OPTIONS=--import`): its clock, and that of each of its threads, is ahead
 * by DANELAW_TEST_AHEAD milliseconds. Timers are not.
 */
const ahead = Number(process.env.DANELAW_TEST_AHEAD ?? 0);
const RealDate = Date;

globalThis.Date = class extends RealDate {
  constructor(...arguments_) {
    if (arguments_.length === 0) super(RealDate.now() + ahead);
    else super(...arguments_);
  }

  static now() {
    return RealDate.now() + ahead;
  }
};
