/** Where a browser shows the token. */
import type { PageView } from './layout.js';
import { html } from './markup.js';

/** @param next the path that was asked for */
export function loginPage(next: string, isRefused: boolean): PageView {
  return {
    title: 'Log in',
    section: undefined,
    body: html`${isRefused && REFUSED}
<form class="card ask" method="post" action="/login">
<input type="hidden" name="next" value="${next}">
<input name="username" value="danelaw" autocomplete="username" hidden>
<label for="token">Token (http.token_file of the configuration)</label>
<div class="row"><input id="token" name="token" type="password" required autocomplete="current-password">
<button>Log in</button></div>
</form>`,
  };
}

const REFUSED = html`<p class="health tone-bad" role="alert">That is not the token of this relay.</p>`;
