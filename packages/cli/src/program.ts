import { Command, Option } from 'commander';
import { addAlertTest } from './commands/alert/send-test.ts';
import { addAppAssign } from './commands/app/assign.ts';
import { addAppBackends } from './commands/app/backends.ts';
import { addAppCors } from './commands/app/cors.ts';
import { addAppCredential } from './commands/app/credential.ts';
import { addAppGitCredential } from './commands/app/git-credential.ts';
import { addAppHeaders } from './commands/app/headers.ts';
import { addAppLimits } from './commands/app/limits.ts';
import { addAppList } from './commands/app/list.ts';
import { addAppMaintenance } from './commands/app/maintenance.ts';
import { addAppPublish } from './commands/app/publish.ts';
import { addAppRemove } from './commands/app/remove.ts';
import { addAppSegment } from './commands/app/segment.ts';
import { addAppShow } from './commands/app/show.ts';
import { addAppTest } from './commands/app/test.ts';
import { addAppToken } from './commands/app/token.ts';
import { addAppUnassign } from './commands/app/unassign.ts';
import { addAppUpdate } from './commands/app/update.ts';
import { addCaList } from './commands/ca/list.ts';
import { addCaRotate } from './commands/ca/rotate.ts';
import { addCertificateList } from './commands/certificate/list.ts';
import { addCertificateRemove } from './commands/certificate/remove.ts';
import { addCertificateRenew } from './commands/certificate/renew.ts';
import { addCertificateUpload } from './commands/certificate/upload.ts';
import { addConnectorProgram } from './commands/connector/connector-program.ts';
import { addConnectorDoctor } from './commands/connector/doctor.ts';
import { addConnectorDrain, addConnectorResume } from './commands/connector/drain.ts';
import { addConnectorEnrolmentToken } from './commands/connector/enrolment-token.ts';
import { addConnectorList } from './commands/connector/list.ts';
import { addConnectorMove } from './commands/connector/move.ts';
import { addConnectorRegister } from './commands/connector/register.ts';
import { addConnectorRevoke } from './commands/connector/revoke.ts';
import { addConnectorRun } from './commands/connector/run.ts';
import { addConnectorShow } from './commands/connector/show.ts';
import { addConnectorStatus } from './commands/connector/status.ts';
import { addConnectorUpdate } from './commands/connector/update.ts';
import { addConnectorGroupCreate } from './commands/connector-group/create.ts';
import { addConnectorGroupList } from './commands/connector-group/list.ts';
import { addConnectorGroupRemove } from './commands/connector-group/remove.ts';
import { addConnectorGroupUpdate } from './commands/connector-group/update.ts';
import { addDomainAdd } from './commands/domain/add.ts';
import { addDomainCheck } from './commands/domain/check.ts';
import { addDomainList } from './commands/domain/list.ts';
import { addDomainRemove } from './commands/domain/remove.ts';
import { addDomainShow } from './commands/domain/show.ts';
import { addDomainVerify } from './commands/domain/verify.ts';
import { addGroupAddMember } from './commands/group/add-member.ts';
import { addGroupCreate } from './commands/group/create.ts';
import { addGroupList } from './commands/group/list.ts';
import { addGroupRemove } from './commands/group/remove.ts';
import { addGroupRemoveMember } from './commands/group/remove-member.ts';
import { addGroupShow } from './commands/group/show.ts';
import { addLogin } from './commands/login.ts';
import { addLogout } from './commands/logout.ts';
import { addServerPrograms } from './commands/server-programs.ts';
import { addUserCreate } from './commands/user/create.ts';
import { addUserDisable } from './commands/user/disable.ts';
import { addUserEnable } from './commands/user/enable.ts';
import { addUserInvite } from './commands/user/invite.ts';
import { addUserList } from './commands/user/list.ts';
import { addUserRemove } from './commands/user/remove.ts';
import { addUserRole } from './commands/user/role.ts';
import { addUserShow } from './commands/user/show.ts';
import { addUserUpdate } from './commands/user/update.ts';
import { addWhoami } from './commands/whoami.ts';

/** The whole command line. Parsing errors and `--help` are thrown as `CommanderError`, never ended here. */
export function createProgram(version: string): Command {
  const program = new Command('postern')
    .description('Publishes web applications of private networks to the people who may use them.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addOption(
      new Option(
        '--service <domain>',
        'the service to talk to (default: the one signed in to last)',
      ).helpGroup('Everywhere:'),
    )
    .addOption(
      new Option('--ca-file <file>', 'PEM file with the CA to trust for it').helpGroup('Everywhere:'),
    )
    .addOption(new Option('--json', 'print one JSON document and nothing else').helpGroup('Everywhere:'))
    .addOption(new Option('--verbose', 'say more when something fails').helpGroup('Everywhere:'))
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .exitOverride()
    // What commander says about wrong usage is said by main.ts, in the form of every other error.
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', epilogue);

  program.commandsGroup('Signing in:');
  addLogin(program);
  addLogout(program);
  addWhoami(program);

  program.commandsGroup('Managing a service:');
  addNoun(program, 'app', 'publish applications and say who may use them', [
    addAppPublish,
    addAppList,
    addAppShow,
    addAppTest,
    addAppUpdate,
    addAppHeaders,
    addAppBackends,
    addAppLimits,
    addAppMaintenance,
    addAppSegment,
    addAppCredential,
    addAppToken,
    addAppGitCredential,
    addAppCors,
    addAppAssign,
    addAppUnassign,
    addAppRemove,
  ]);
  addNoun(program, 'domain', 'publish under domains of your own', [
    addDomainAdd,
    addDomainVerify,
    addDomainCheck,
    addDomainList,
    addDomainShow,
    addDomainRemove,
  ]);
  addNoun(program, 'certificate', 'certificates for public names', [
    addCertificateUpload,
    addCertificateList,
    addCertificateRenew,
    addCertificateRemove,
  ]);
  addNoun(program, 'connector', 'register and run a connector, and manage those of a service', [
    addConnectorRegister,
    addConnectorRun,
    addConnectorStatus,
    addConnectorProgram,
    addConnectorDoctor,
    addConnectorEnrolmentToken,
    addConnectorList,
    addConnectorShow,
    addConnectorMove,
    addConnectorUpdate,
    addConnectorDrain,
    addConnectorResume,
    addConnectorRevoke,
  ]);
  addNoun(program, 'connector-group', 'manage connector groups', [
    addConnectorGroupList,
    addConnectorGroupCreate,
    addConnectorGroupUpdate,
    addConnectorGroupRemove,
  ]);
  addNoun(program, 'user', 'manage users', [
    addUserList,
    addUserCreate,
    addUserInvite,
    addUserShow,
    addUserUpdate,
    addUserDisable,
    addUserEnable,
    addUserRole,
    addUserRemove,
  ]);
  addNoun(program, 'group', 'manage groups of users', [
    addGroupList,
    addGroupCreate,
    addGroupShow,
    addGroupAddMember,
    addGroupRemoveMember,
    addGroupRemove,
  ]);
  addNoun(program, 'ca', 'see and exchange the certificate authorities of a service', [
    addCaList,
    addCaRotate,
  ]);
  addNoun(program, 'alert', 'alerts by mail and webhook', [addAlertTest]);
  addServerPrograms(program);
  return program;
}

function addNoun(
  program: Command,
  name: string,
  summary: string,
  verbs: readonly ((parent: Command) => void)[],
): void {
  const noun = program
    .command(name)
    .summary(summary)
    .description(`${summary[0].toUpperCase()}${summary.slice(1)}.`);
  noun.helpCommand(false);
  for (const addVerb of verbs) {
    addVerb(noun);
  }
}

/** What stands below the list of commands. */
export const epilogue = `
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  not signed in
  4  not allowed
  5  not found
  6  conflict with what is there
  7  the service cannot be reached
  78 the connector cannot run with the files that it has, and starting it again would not help

Environment:
  POSTERN_SERVICE          the service to talk to, as --service
  POSTERN_CONFIG_DIR       folder of the credentials file (default: ~/.config/postern)
  POSTERN_ENROLMENT_TOKEN  enrolment token to register a connector with
  POSTERN_TOKEN            access token to register a connector with
  NO_COLOR                 no colour
`;
