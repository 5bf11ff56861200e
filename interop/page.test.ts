/**
 * The page in Chromium, as a person sees it: on a telephone and on a desk, by day and by night. Nothing may be
 * wider than the window, and nothing may be said in the console - errors, or breaches of the Content-Security-Policy.
 *
 * Screenshots are in `test-output/page/`.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PageLab, startPageLab, TOKEN } from '../packages/mta/test/page-lab.js';

const CHROMIUM = '/usr/bin/chromium';
const OUTPUT = fileURLToPath(new URL('../test-output/page', import.meta.url));

const WINDOWS = [
  { name: 'phone', width: 360, height: 740, colorScheme: 'light' },
  { name: 'phone at night', width: 360, height: 740, colorScheme: 'dark' },
  { name: 'desk', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'desk at night', width: 1280, height: 900, colorScheme: 'dark' },
] as const;

const CHECKED = [
  'second-host.example',
  'swapped-certificate.example',
  'tlsa-bogus.example',
  'plain.unsigned',
];

const isThere = existsSync(CHROMIUM);
if (!isThere && process.env['CI'] === 'true')
  throw new Error(`${CHROMIUM} is missing: interop/install.sh installs it`);

describe.skipIf(!isThere)('the page in Chromium', () => {
  let lab: PageLab;
  let browser: Browser;

  beforeAll(async () => {
    await mkdir(OUTPUT, { recursive: true });
    [lab, browser] = await Promise.all([
      startPageLab({ seed: true }),
      // As root, Chromium has no sandbox of its own; it sees nothing but our page.
      chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] }),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await lab?.end();
  });

  const paths = (): readonly (readonly [name: string, path: string])[] => [
    ['overview', '/'],
    ['messages', '/messages'],
    ['message that waits', `/messages/${lab.ids.get('swapped-certificate.example')}`],
    ['message of a hostile server', `/messages/${lab.ids.get('hostile.example')}`],
    ['message that was delivered', `/messages/${lab.ids.get('good-3-1-1.example')}`],
    ['destinations', '/destinations'],
    ['destination', '/destinations/plain.unsigned?span=day'],
    ['deferrals', '/deferrals'],
    ['check', '/check'],
  ];

  test('every page fits every window, and breaks no rule', async () => {
    const context = await browser.newContext();
    const { page, complaints } = await opened(context);
    await logIn(page);
    for (const [title, path] of paths()) {
      const response = await page.goto(lab.url + path);
      expect(response?.status(), path).toBe(200);
      await look(page, title);
    }
    for (const domain of CHECKED) {
      await page.goto(`${lab.url}/check`);
      await page.getByLabel('Domain, as it stands').fill(domain);
      await page.getByRole('button', { name: 'Check' }).click();
      await page.getByRole('heading', { name: `Check of ${domain}` }).waitFor();
      await look(page, `check of ${domain}`);
    }
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a login is asked for once, and ends with the logout', async () => {
    const context = await browser.newContext();
    const { page } = await opened(context);
    await page.goto(`${lab.url}/deferrals`);
    expect(new URL(page.url()).pathname).toBe('/login');
    await page.getByLabel('Token').fill('not-the-token-of-this-page');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('That is not the token').waitFor();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Deferrals', exact: true }).waitFor();
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    expect(cookie?.value).not.toContain(TOKEN);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.goto(`${lab.url}/deferrals`);
    expect(new URL(page.url()).pathname).toBe('/login');
    await context.close();
  });

  test('what a server wrote is text, and runs nothing', async () => {
    const context = await browser.newContext();
    const { page, complaints } = await opened(context);
    await logIn(page);
    for (const path of ['/deferrals', `/messages/${lab.ids.get('hostile.example')}`]) {
      await page.goto(lab.url + path);
      await page.getByText('<script>alert(1)</script>').first().waitFor();
      expect(await page.locator('script, img').count(), path).toBe(0);
    }
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('the pages are reached with the keyboard, from one to the next', async () => {
    const context = await browser.newContext();
    const { page } = await opened(context);
    await logIn(page);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('To the content');
    for (let i = 0; i < 3; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Messages', exact: true }).waitFor();
    await context.close();
  });

  async function opened(context: BrowserContext): Promise<{ page: Page; complaints: string[] }> {
    const complaints: string[] = [];
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => {
      complaints.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(lab.url)) complaints.push(`a request for ${request.url()}`);
    });
    return { page, complaints };
  }

  async function logIn(page: Page): Promise<void> {
    await page.goto(`${lab.url}/login`);
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Overview', exact: true }).waitFor();
  }

  /** In each window, with a picture of each. */
  async function look(page: Page, title: string): Promise<void> {
    // After a form was sent the heading is there before the rest of the page.
    await page.waitForLoadState();
    for (const { name, width, height, colorScheme } of WINDOWS) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      const [wider, visible] = await Promise.all([
        page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
        page.locator('svg.chart:visible, svg.tree:visible').count(),
      ]);
      const file = `${title}, ${name}`.replaceAll(/[^a-z0-9]+/gu, '-');
      await page.screenshot({ path: `${OUTPUT}/${file}.png`, fullPage: true });
      expect(wider, `${title}, ${name}: pixels beyond the window`).toBe(0);
      // Of the two drawings of each picture the one that fits is there.
      expect(visible * 2, `${title}, ${name}`).toBe(await page.locator('svg.chart, svg.tree').count());
    }
  }
});
