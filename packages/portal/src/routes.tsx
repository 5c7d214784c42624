import type { RoleName } from '@postern/protocol/admin/directory';
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { BrokenPage, UnknownPage } from './components/broken-page.tsx';
import { Shell } from './components/shell.tsx';

declare module '@tanstack/react-router' {
  interface StaticDataRouteOption {
    /** The role without which the page shows nothing but what is missing. */
    needs?: RoleName;
  }
  interface Register {
    router: typeof router;
  }
}

const needsApplicationAdministrator = { needs: 'Application Administrator' } as const;

const root = createRootRoute({
  component: Shell,
  notFoundComponent: UnknownPage,
  errorComponent: BrokenPage,
});

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/connectors', replace: true });
  },
});

const applications = createRoute({
  getParentRoute: () => root,
  path: '/applications',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/applications/applications-page.tsx'),
    'ApplicationsPage',
  ),
});

const publish = createRoute({
  getParentRoute: () => root,
  path: '/applications/new',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/publish/publish-page.tsx'), 'PublishPage'),
});

const application = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/overview-page.tsx'), 'OverviewPage'),
});

const applicationSettings = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/settings',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/settings-page.tsx'), 'SettingsPage'),
});

const applicationUsers = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/users',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/users-page.tsx'), 'ApplicationUsersPage'),
});

const applicationSegments = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/segments',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/segments-page.tsx'), 'SegmentsPage'),
});

const applicationCors = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/cors',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/cors-page.tsx'), 'CorsPage'),
});

const applicationPrograms = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/programs',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/programs-page.tsx'), 'ProgramsPage'),
});

const applicationBackends = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/backends',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/backends-page.tsx'), 'BackendsPage'),
});

const applicationTest = createRoute({
  getParentRoute: () => root,
  path: '/applications/$applicationId/test',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/application/test-page.tsx'), 'TestPage'),
});

const connectors = createRoute({
  getParentRoute: () => root,
  path: '/connectors',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/connectors/connectors-page.tsx'), 'ConnectorsPage'),
});

const connector = createRoute({
  getParentRoute: () => root,
  path: '/connectors/$connectorId',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/connector/connector-page.tsx'), 'ConnectorPage'),
});

const connectorEvents = createRoute({
  getParentRoute: () => root,
  path: '/connectors/$connectorId/events',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/connector/events-page.tsx'), 'ConnectorEventsPage'),
});

const connectorDoctor = createRoute({
  getParentRoute: () => root,
  path: '/connectors/$connectorId/doctor',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/connector/doctor-page.tsx'), 'ConnectorDoctorPage'),
});

const connectorGroups = createRoute({
  getParentRoute: () => root,
  path: '/connector-groups',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/connector-groups/connector-groups-page.tsx'),
    'ConnectorGroupsPage',
  ),
});

const connectorGroup = createRoute({
  getParentRoute: () => root,
  path: '/connector-groups/$groupId',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/connector-group/connector-group-page.tsx'),
    'ConnectorGroupPage',
  ),
});

const enrolmentTokens = createRoute({
  getParentRoute: () => root,
  path: '/enrolment-tokens',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/enrolment-tokens/enrolment-tokens-page.tsx'),
    'EnrolmentTokensPage',
  ),
});

const domains = createRoute({
  getParentRoute: () => root,
  path: '/domains',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/domains/domains-page.tsx'), 'DomainsPage'),
});

const domain = createRoute({
  getParentRoute: () => root,
  path: '/domains/$domainId',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/domain/domain-page.tsx'), 'DomainPage'),
});

const certificates = createRoute({
  getParentRoute: () => root,
  path: '/certificates',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/certificates/certificates-page.tsx'),
    'CertificatesPage',
  ),
});

const certificate = createRoute({
  getParentRoute: () => root,
  path: '/certificates/$certificateId',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/certificate/certificate-page.tsx'),
    'CertificatePage',
  ),
});

const certificateAuthorities = createRoute({
  getParentRoute: () => root,
  path: '/certificate-authorities',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/certificate-authorities/certificate-authorities-page.tsx'),
    'CertificateAuthoritiesPage',
  ),
});

const requirements = createRoute({
  getParentRoute: () => root,
  path: '/requirements',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(
    () => import('./screens/requirements/requirements-page.tsx'),
    'RequirementsPage',
  ),
});

const users = createRoute({
  getParentRoute: () => root,
  path: '/users',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/users/users-page.tsx'), 'UsersPage'),
});

const user = createRoute({
  getParentRoute: () => root,
  path: '/users/$userId',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/user/profile-page.tsx'), 'ProfilePage'),
});

const directoryRole = createRoute({
  getParentRoute: () => root,
  path: '/users/$userId/directory-role',
  staticData: needsApplicationAdministrator,
  component: lazyRouteComponent(() => import('./screens/user/directory-role-page.tsx'), 'DirectoryRolePage'),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    applications,
    publish,
    application,
    applicationSettings,
    applicationUsers,
    applicationSegments,
    applicationCors,
    applicationPrograms,
    applicationBackends,
    applicationTest,
    connectors,
    connector,
    connectorEvents,
    connectorDoctor,
    connectorGroups,
    connectorGroup,
    enrolmentTokens,
    requirements,
    certificateAuthorities,
    domains,
    domain,
    certificates,
    certificate,
    users,
    user,
    directoryRole,
  ]),
  basepath: '/admin',
  defaultErrorComponent: BrokenPage,
});
