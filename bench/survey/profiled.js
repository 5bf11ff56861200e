/** The program from the files that the compiler wrote, not from the bundle: a profile can say whose code it was. */
import { main } from '../../packages/mta/dist/cli/main.js';

process.exitCode = await main(process.argv.slice(2));
