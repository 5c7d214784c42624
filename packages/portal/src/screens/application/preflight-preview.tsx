import { Field, Input, makeStyles, Select } from '@fluentui/react-components';
import { PreflightRules } from '@postern/protocol/admin/preflight';
import { useState } from 'react';
import { Facts } from '../../components/facts.tsx';
import { CheckIcon, CrossIcon } from '../../components/icons.tsx';
import { hostOf } from '../../components/published-hosts.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark } from '../../components/state-mark.tsx';
import type { CorsScope } from './cors-page.tsx';

const useStyles = makeStyles({
  fields: {
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(min(360px, 100%), 1fr))',
    alignItems: 'start',
    gap: '16px 24px',
  },
  answer: { display: 'flex', flexDirection: 'column', gap: '12px', minHeight: '44px' },
});

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'];

/** What a preflight request would be answered: by the same rules, read by the same piece as on the request's path. */
export function PreflightPreview({ scopes }: { readonly scopes: readonly CorsScope[] }) {
  const styles = useStyles();
  const first = scopes.find(({ rules }) => rules.length > 0);
  const [address, setAddress] = useState(() => first && addressOf(first));
  const [origin, setOrigin] = useState(first?.rules[0]?.allowedOrigins[0] ?? '');
  const [method, setMethod] = useState('GET');
  const [headers, setHeaders] = useState('');
  const isAsked = origin.trim() !== '' && (address ?? '').trim() !== '';
  return (
    <Section title="Try a preflight request">
      <div className={styles.fields}>
        <Field label="Address" hint="That a script asks for.">
          <Input
            value={address ?? ''}
            spellCheck={false}
            autoComplete="off"
            onChange={(_event, { value }) => setAddress(value)}
          />
        </Field>
        <Field label="Origin" hint="Of the page whose script it is.">
          <Input
            value={origin}
            spellCheck={false}
            autoComplete="off"
            onChange={(_event, { value }) => setOrigin(value)}
          />
        </Field>
        <Field label="Method">
          <Select value={method} onChange={(_event, { value }) => setMethod(value)}>
            {methods.map(name => (
              <option key={name}>{name}</option>
            ))}
          </Select>
        </Field>
        <Field label="Request headers" hint="That the script sets, with commas.">
          <Input
            value={headers}
            spellCheck={false}
            autoComplete="off"
            onChange={(_event, { value }) => setHeaders(value)}
          />
        </Field>
      </div>
      <div className={styles.answer} role="status">
        {isAsked && (
          <Answer
            scopes={scopes}
            address={address ?? ''}
            preflight={{ origin: origin.trim(), method, headers }}
          />
        )}
      </div>
    </Section>
  );
}

interface AnswerProps {
  readonly scopes: readonly CorsScope[];
  readonly address: string;
  readonly preflight: { readonly origin: string; readonly method: string; readonly headers: string };
}

function Answer({ scopes, address, preflight }: AnswerProps) {
  const url = URL.parse(address);
  const scope = url === null ? null : scopeOf(url, scopes);
  if (url === null || scope === null) {
    return <StateMark word="No address of this application" StateIcon={CrossIcon} tone="quiet" />;
  }
  if (scope.rules.length === 0) {
    return <StateMark word="Left to the backend: there are no rules" StateIcon={CrossIcon} tone="quiet" />;
  }
  const rules = new PreflightRules(scope.rules, new URL(scope.externalUrl).pathname);
  const answer = rules.answerPreflight(preflight, [url.pathname]);
  if (!answer.allowed) {
    return (
      <>
        <StateMark word="Refused with 403" StateIcon={CrossIcon} tone="bad" />
        <p>{`${answer.reason.charAt(0).toUpperCase()}${answer.reason.slice(1)}.`}</p>
      </>
    );
  }
  return (
    <>
      <StateMark word="Allowed" StateIcon={CheckIcon} tone="good" />
      <Facts
        rows={Object.entries(answer.fields).map(([name, value]) => [name, <code key={name}>{value}</code>])}
      />
    </>
  );
}

/** What an address belongs to: of several on its host the one with the longest path. */
function scopeOf(url: URL, scopes: readonly CorsScope[]): CorsScope | null {
  const [scope] = scopes
    .filter(({ externalUrl }) => {
      const external = new URL(externalUrl);
      const host = hostOf(external);
      const isHost = host === url.hostname || (host.startsWith('*.') && url.hostname.endsWith(host.slice(1)));
      return isHost && external.port === url.port && `${url.pathname}/`.startsWith(external.pathname);
    })
    .sort((a, b) => new URL(b.externalUrl).pathname.length - new URL(a.externalUrl).pathname.length);
  return scope ?? null;
}

/** An address that a rule is for. */
function addressOf({ externalUrl, rules }: CorsScope): string {
  return `${externalUrl.replace('*.', 'any.')}${rules[0]?.resource.slice(1) ?? ''}`;
}
