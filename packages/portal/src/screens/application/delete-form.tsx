import { type ApplicationWithAccess, useDeleteApplication } from '../../api/applications.ts';
import { Confirmation } from '../../components/confirmation.tsx';

interface DeleteFormProps {
  readonly shown: ApplicationWithAccess;
  readonly onClose: () => void;
}

/** Says what deleting an application means, and asks. */
export function DeleteForm({ shown, onClose }: DeleteFormProps) {
  // A new document rather than a new page: this one goes with the application, the open modal and what it has hidden behind it.
  const remove = useDeleteApplication(shown, () => location.assign('/admin/applications'));
  const { displayName, onPremisesPublishing: publishing } = shown.application;
  return (
    <Confirmation
      title={`Delete ${displayName}`}
      confirm={`Delete ${displayName}`}
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>
        {publishing === null
          ? 'It is removed with its assignments.'
          : `${publishing.externalUrl} stops answering within seconds, and its settings and assignments are removed. Requests in flight may finish; WebSockets end.`}{' '}
        It cannot be undone. The application in your network stays as it is.
      </p>
    </Confirmation>
  );
}
