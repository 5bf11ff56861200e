/** Before tests that start the program: what was compiled last is what they start. */
// @ts-expect-error The build script is plain JavaScript.
export { bundle as setup } from '../bundle.js';
