/** Before tests that start the program: what was compiled last is what they start. */
export { bundle as setup } from '../bundle.js';
