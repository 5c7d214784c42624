import { createDOMRenderer, FluentProvider, makeStyles, RendererProvider } from '@fluentui/react-components';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { ApiError } from './api/client.ts';
import { router } from './routes.tsx';
import { usePreferredTheme } from './theme.ts';

// The policy of the document allows style elements with this nonce alone.
const styleNonce = document.querySelector<HTMLMetaElement>('meta[name=style-nonce]')?.nonce ?? '';
const renderer = createDOMRenderer(document, { styleElementAttributes: { nonce: styleNonce } });

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // What the service has refused it would refuse again; what did not arrive may arrive.
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || isPassing(error)),
    },
  },
});

function isPassing({ status }: ApiError): boolean {
  return status === 0 || status === 502 || status === 503 || status === 504;
}

const useStyles = makeStyles({ page: { minHeight: '100dvh', display: 'flex', flexDirection: 'column' } });

export function App() {
  return (
    <RendererProvider renderer={renderer}>
      <Themed />
    </RendererProvider>
  );
}

/** Apart from {@link App}, because styles are made with the renderer that is around them. */
function Themed() {
  const theme = usePreferredTheme();
  const styles = useStyles();
  return (
    <FluentProvider theme={theme}>
      {/* Not on the provider itself, which gives its classes to every modal: one as high as the page would cover the page. */}
      <div className={styles.page}>
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </div>
    </FluentProvider>
  );
}
