import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html } from './html.ts';

test('a value is escaped in text and in a quoted attribute', () => {
  const hostile = `"><script>alert('&')</script>`;

  const { markup } = html`<p title="${hostile}">${hostile}</p>`;

  const escaped = '&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;';
  assert.equal(markup, `<p title="${escaped}">${escaped}</p>`);
});

test('markup made by the template is taken over as it is, and lists one after the other', () => {
  const items = ['a', '<b>'].map(text => html`<li>${text}</li>`);

  assert.equal(html`<ul>${items}</ul>`.markup, '<ul><li>a</li><li>&lt;b&gt;</li></ul>');
});

test('absent values write nothing, zero writes itself', () => {
  assert.equal(html`[${null}${undefined}${false}${0}]`.markup, '[0]');
});
