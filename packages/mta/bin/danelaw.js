#!/usr/bin/env node
import module from 'node:module';

// Compiled code is kept between runs where Node can (22.8 and later): starting up is most of what a short
// command costs.
module.enableCompileCache?.();

const { main } = await import('../bundle/cli/main.js');
process.exitCode = await main(process.argv.slice(2));
