import { Button } from '@fluentui/react-components';
import { Empty } from './empty.tsx';
import { PageButton } from './links.tsx';
import { Page } from './page.tsx';

/** What is shown where a page itself failed: after an upgrade its parts may be gone from the service. */
export function BrokenPage({ error }: { readonly error: unknown }) {
  return (
    <Page title="This page could not be shown">
      <Empty title="Reload the page" action={<Button onClick={() => location.reload()}>Reload</Button>}>
        The service may have been upgraded since the page was opened; reloading brings the new pages. If it
        stays like this, tell whoever runs the service: {String(error)}
      </Empty>
    </Page>
  );
}

/** What is shown at an address that no page has. */
export function UnknownPage() {
  return (
    <Page title="There is no such page">
      <Empty
        title="The address is not one of the Admin center"
        action={<PageButton to="/connectors">Connectors</PageButton>}
      >
        Compare it with the one you were given, or begin with the connectors.
      </Empty>
    </Page>
  );
}
