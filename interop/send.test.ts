import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { danelaw, dnsOptions, jsonOf, type Trust } from './danelaw.js';
import { makeFolder, removeFolder } from './folder.js';
import { type MailHosts, startMailHosts } from './mail-hosts.js';
import { mailDomains, mailZones } from './mail-zones.js';
import { withNeighbours } from './neighbours.js';
import { type PrivateDns, startPrivateDns } from './private-dns.js';
