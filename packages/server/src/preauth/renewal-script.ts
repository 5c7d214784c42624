/** The script that single-page applications may include: docs/publishing/sessions.md. */
export const renewalScript = `/**
 * Postern: sign-in that is renewed while a page stays open.
 *
 *   <script src="/.postern/renew.js"></script>
 *
 * postern.fetch(input, init)  As fetch. Where the answer is 401 because the sign-in has ended, it is renewed without the
 *                             person and the request is sent once more. With the attribute data-wrap-fetch on the
 *                             script's element, window.fetch is this function.
 * postern.renew(options)      Renews the sign-in. Gives { renewed, reason }; never rejects. With { popup: true } in a
 *                             small window, in which the person can sign in; to be called from a click.
 */
(() => {
  const waitMs = 15_000;
  const page = '/.postern/renew';
  const plainFetch = window.fetch.bind(window);
  let current = null;

  function renewalIn(findWindow, waitMs, end) {
    return new Promise(resolve => {
      const finish = outcome => {
        clearTimeout(timer);
        window.removeEventListener('message', onMessage);
        end();
        resolve(outcome);
      };
      const onMessage = ({ origin, source, data }) => {
        if (origin !== location.origin || source !== findWindow() || data?.type !== 'postern-renewal') return;
        finish({ renewed: data.renewed === true, reason: String(data.reason) });
      };
      const timer = setTimeout(() => finish({ renewed: false, reason: 'no_answer' }), waitMs);
      window.addEventListener('message', onMessage);
    });
  }

  function renewInFrame() {
    const frame = document.createElement('iframe');
    frame.hidden = true;
    frame.title = 'Sign-in';
    const outcome = renewalIn(() => frame.contentWindow, waitMs, () => frame.remove());
    frame.src = page;
    document.documentElement.append(frame);
    return outcome;
  }

  function renewInPopup() {
    const popup = window.open(page + '?popup', 'postern-renewal', 'popup,width=480,height=640');
    if (popup === null) return Promise.resolve({ renewed: false, reason: 'popup_blocked' });
    return renewalIn(() => popup, 5 * 60_000, () => {});
  }

  function renew({ popup = false } = {}) {
    if (popup) return renewInPopup();
    current ??= renewInFrame().finally(() => {
      current = null;
    });
    return current;
  }

  function asksForSignIn(answer) {
    return answer.status === 401 && (answer.headers.get('www-authenticate') ?? '').includes('Postern realm=');
  }

  async function fetchRenewing(input, init) {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== location.origin) return plainFetch(request);
    const again = request.clone();
    const answer = await plainFetch(request);
    if (!asksForSignIn(answer)) return answer;
    const { renewed } = await renew();
    return renewed ? plainFetch(again) : answer;
  }

  window.postern = Object.freeze({ renew, fetch: fetchRenewing });
  if (document.currentScript?.hasAttribute('data-wrap-fetch')) window.fetch = fetchRenewing;
})();
`;
