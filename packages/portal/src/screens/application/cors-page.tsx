import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { CorsConfiguration } from '@postern/protocol/admin/cors';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useSaveCorsRules } from '../../api/cors.ts';
import { segmentsQuery } from '../../api/segments.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Section } from '../../components/section.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';
import { CorsRuleForm } from './cors-rule-form.tsx';
import { PreflightPreview } from './preflight-preview.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  actions: { display: 'flex', flexWrap: 'wrap', gap: '8px' },
});

/** Which other sites may use one application by script. */
export function CorsPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/cors' });
  return <ApplicationFrame applicationId={applicationId}>{shown => <Cors shown={shown} />}</ApplicationFrame>;
}

/** What has rules of its own: the application, or one of its segments. */
export interface CorsScope {
  /** null for the application itself. */
  readonly segmentId: string | null;
  readonly externalUrl: string;
  readonly rules: readonly CorsConfiguration[];
}

function Cors({ shown }: { readonly shown: ShownApplication }) {
  const styles = useStyles();
  const segments = useQuery(segmentsQuery(shown.application.id));
  const publishing = shown.application.onPremisesPublishing;
  if (publishing === null) {
    return <Empty title="Not published yet">Give it an internal URL under Settings first.</Empty>;
  }
  const own: CorsScope = {
    segmentId: null,
    externalUrl: publishing.externalUrl,
    rules: publishing.corsConfigurations,
  };
  // With segments nothing else is published, so that rules of the application itself are for nothing.
  const scopes: readonly CorsScope[] | undefined =
    segments.data?.length === 0
      ? [own]
      : segments.data?.map(({ id, externalUrl, corsConfigurations }) => ({
          segmentId: id,
          externalUrl,
          rules: corsConfigurations,
        }));
  return (
    <>
      <p className={styles.words}>
        Pages of other sites whose scripts use this application. Browsers ask first, with a preflight request,
        which carries no cookies: with rules the service answers it, signed in or not. What a rule lets in is
        sent with cookies. Without rules the backend decides.
      </p>
      {segments.isPending && <Loading what="the rules" />}
      {segments.isError && (
        <Failure
          error={segments.error}
          what="The rules cannot be shown."
          retry={() => void segments.refetch()}
        />
      )}
      {scopes?.map(scope => (
        <Rules key={scope.externalUrl} shown={shown} scope={scope} />
      ))}
      {scopes?.some(({ rules }) => rules.length > 0) && <PreflightPreview scopes={scopes} />}
    </>
  );
}

interface RulesProps {
  readonly shown: ShownApplication;
  readonly scope: CorsScope;
}

function Rules({ shown, scope }: RulesProps) {
  const styles = useStyles();
  const [dialog, setDialog] = useState<'save' | 'remove' | null>(null);
  // Where a rule is in the list; one behind its end is a new one.
  const [index, setIndex] = useState(0);
  const { rules, externalUrl } = scope;
  const open = (which: 'save' | 'remove', at: number) => {
    setIndex(at);
    setDialog(which);
  };
  const close = () => setDialog(null);
  const add = (
    <Button aria-label={`Add a rule for ${externalUrl}`} onClick={() => open('save', rules.length)}>
      Add a rule
    </Button>
  );
  return (
    <Section title={externalUrl} isBare>
      {rules.length === 0 ? (
        <Empty title="No rules" action={add}>
          The backend answers preflight requests, where they need no sign-in.
        </Empty>
      ) : (
        <>
          <div>{add}</div>
          <DataTable
            isWide
            label={`Rules for ${externalUrl}`}
            columns={columnsWith(styles.actions, open)}
            rows={rules.map((rule, at) => ({ rule, at }))}
            rowKey={({ at }) => String(at)}
          />
        </>
      )}
      <Modal isOpen={dialog === 'save'} onClose={close}>
        <CorsRuleForm shown={shown} scope={scope} index={index} onClose={close} />
      </Modal>
      <Modal isOpen={dialog === 'remove'} onClose={close}>
        <RemoveForm shown={shown} scope={scope} index={index} onClose={close} />
      </Modal>
    </Section>
  );
}

interface ListedRule {
  readonly rule: CorsConfiguration;
  readonly at: number;
}

function columnsWith(
  actionsClass: string,
  onAct: (which: 'save' | 'remove', at: number) => void,
): Column<ListedRule>[] {
  return [
    { id: 'resource', title: 'Path', cell: ({ rule }) => <code>{rule.resource}</code> },
    { id: 'origins', title: 'Origins', cell: ({ rule }) => <Lines texts={rule.allowedOrigins} /> },
    { id: 'methods', title: 'Methods', cell: ({ rule }) => wordsOf(rule.allowedMethods, 'Every method') },
    {
      id: 'headers',
      title: 'Request headers',
      cell: ({ rule }) => wordsOf(rule.allowedHeaders, 'Every header'),
    },
    { id: 'age', title: 'Kept for', isMinor: true, cell: ({ rule }) => `${rule.maxAgeInSeconds} s` },
    {
      id: 'actions',
      title: 'Actions',
      cell: ({ rule, at }) => (
        <span className={actionsClass}>
          <Button
            size="small"
            aria-label={`Change the rule for ${rule.resource}`}
            onClick={() => onAct('save', at)}
          >
            Change
          </Button>
          <Button
            size="small"
            aria-label={`Remove the rule for ${rule.resource}`}
            onClick={() => onAct('remove', at)}
          >
            Remove
          </Button>
        </span>
      ),
    },
  ];
}

function Lines({ texts }: { readonly texts: readonly string[] }) {
  return texts.map(text => <div key={text}>{text}</div>);
}

function wordsOf(names: readonly string[], every: string): string {
  if (names.includes('*')) return every;
  return names.join(', ') || 'None';
}

interface RemoveFormProps extends RulesProps {
  readonly index: number;
  readonly onClose: () => void;
}

function RemoveForm({ shown, scope, index, onClose }: RemoveFormProps) {
  const save = useSaveCorsRules(shown, scope.segmentId);
  const rule = scope.rules[index];
  if (rule === undefined) return null;
  return (
    <Confirmation
      title={`Remove the rule for ${rule.resource}`}
      confirm="Remove"
      isDangerous
      isPending={save.isPending}
      error={save.error}
      onConfirm={() =>
        save.mutate(
          scope.rules.filter((_rule, at) => at !== index),
          onClose,
        )
      }
      onClose={onClose}
    >
      <p>
        Scripts of {rule.allowedOrigins.join(', ')} can no longer read what is there, unless another rule lets
        them.
      </p>
      {scope.rules.length === 1 && <p>It is the last rule: after it the backend decides.</p>}
    </Confirmation>
  );
}
