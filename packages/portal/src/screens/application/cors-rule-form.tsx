import { Checkbox, Field, Input, makeStyles, Textarea } from '@fluentui/react-components';
import type { CorsConfiguration } from '@postern/protocol/admin/cors';
import { useState } from 'react';
import { isOvertaken, messageFor } from '../../api/client.ts';
import { useSaveCorsRules } from '../../api/cors.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { NotSaved } from '../../components/not-saved.tsx';
import type { ShownApplication } from './application-frame.tsx';
import type { CorsScope } from './cors-page.tsx';

const useStyles = makeStyles({
  methods: {
    display: 'flex',
    flexWrap: 'wrap',
    columnGap: '8px',
    border: 'none',
    margin: 0,
    padding: 0,
    minWidth: 0,
  },
  legend: { padding: 0 },
});

const commonMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

interface CorsRuleFormProps {
  readonly shown: ShownApplication;
  readonly scope: CorsScope;
  /** Where the rule is in the list; one behind its end is a new one. */
  readonly index: number;
  readonly onClose: () => void;
}

/** Adds a rule to a list of rules, or changes one of it. */
export function CorsRuleForm({ shown, scope, index, onClose }: CorsRuleFormProps) {
  const styles = useStyles();
  const save = useSaveCorsRules(shown, scope.segmentId);
  const before = scope.rules[index] ?? newRule;
  const [resource, setResource] = useState(before.resource);
  const [origins, setOrigins] = useState(before.allowedOrigins.join('\n'));
  const [methods, setMethods] = useState<ReadonlySet<string>>(new Set(before.allowedMethods));
  const [headers, setHeaders] = useState(before.allowedHeaders.join('\n'));
  const [maxAge, setMaxAge] = useState(String(before.maxAgeInSeconds));
  const [isNew] = useState(index >= scope.rules.length);

  const isAgeValid = /^\d{1,5}$/.test(maxAge) && Number(maxAge) <= longestAge;
  const allowedOrigins = linesOf(origins);
  const toggle = (method: string, isOn: boolean) => {
    const next = new Set(methods);
    if (isOn) next.add(method);
    else next.delete(method);
    setMethods(next);
  };
  const submit = () => {
    const rule: CorsConfiguration = {
      resource: resource.trim(),
      allowedOrigins,
      allowedMethods: [...methods],
      allowedHeaders: linesOf(headers),
      maxAgeInSeconds: Number(maxAge),
    };
    save.mutate([...scope.rules.slice(0, index), rule, ...scope.rules.slice(index + 1)], onClose);
  };
  const errorOf = (property: keyof CorsConfiguration) =>
    messageFor(save.error, `corsConfigurations.${index}.${property}`);
  const isBesideField = (Object.keys(newRule) as (keyof CorsConfiguration)[]).some(errorOf);
  return (
    <Confirmation
      title={isNew ? 'Add a rule' : 'Change a rule'}
      confirm={isNew ? 'Add' : 'Save'}
      isIncomplete={allowedOrigins.length === 0 || resource.trim() === '' || !isAgeValid}
      isPending={save.isPending}
      error={isBesideField || isOvertaken(save.error) ? null : save.error}
      onConfirm={submit}
      onClose={onClose}
    >
      <Field
        label="Path"
        hint="Below the external URL, with all that is below it; / is everything. Of several rules the one with the longest path counts."
        required
        validationMessage={errorOf('resource')}
      >
        <Input
          value={resource}
          spellCheck={false}
          autoComplete="off"
          onChange={(_event, { value }) => setResource(value)}
        />
      </Field>
      <Field
        label="Origins"
        hint="Whose pages may use it, one a line, with scheme and without a path, such as https://shop.example.com."
        required
        validationMessage={errorOf('allowedOrigins')}
      >
        <Textarea
          value={origins}
          spellCheck={false}
          resize="vertical"
          rows={3}
          onChange={(_event, { value }) => setOrigins(value)}
        />
      </Field>
      {/* A group names its fields by itself: the label of a Field would be that of its first alone. */}
      <fieldset className={styles.methods}>
        <legend className={styles.legend}>Methods</legend>
        {[...commonMethods, ...[...methods].filter(name => isFurther(name))].map(name => (
          <Checkbox
            key={name}
            label={name}
            disabled={methods.has('*')}
            checked={methods.has('*') || methods.has(name)}
            onChange={(_event, { checked }) => toggle(name, checked === true)}
          />
        ))}
        <Checkbox
          label="Every method"
          checked={methods.has('*')}
          onChange={(_event, { checked }) => toggle('*', checked === true)}
        />
      </fieldset>
      <Field
        label="Request headers"
        hint="That scripts may set, one a line. X-My-* stands for all that begin so, * for all. What every page may send, such as Content-Type, is allowed."
        validationMessage={errorOf('allowedHeaders')}
      >
        <Textarea
          value={headers}
          spellCheck={false}
          resize="vertical"
          rows={2}
          onChange={(_event, { value }) => setHeaders(value)}
        />
      </Field>
      <Field
        label="Kept for"
        hint="How long browsers may keep the answer to a preflight request; 0 for not at all."
        validationMessage={
          isAgeValid ? errorOf('maxAgeInSeconds') : 'A whole number of seconds, up to 86,400: a day.'
        }
      >
        <Input
          inputMode="numeric"
          value={maxAge}
          contentAfter="seconds"
          onChange={(_event, { value }) => setMaxAge(value.trim())}
        />
      </Field>
      {isOvertaken(save.error) && <NotSaved error={save.error} />}
    </Confirmation>
  );
}

const longestAge = 86_400;

const newRule: CorsConfiguration = {
  resource: '/',
  allowedOrigins: [],
  allowedMethods: ['GET', 'HEAD', 'POST'],
  allowedHeaders: [],
  maxAgeInSeconds: 600,
};

/** Set by a script, such as PROPFIND: kept, and to be switched off. */
function isFurther(method: string): boolean {
  return method !== '*' && !commonMethods.includes(method);
}

function linesOf(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map(line => line.trim())
    .filter(line => line !== '');
}
