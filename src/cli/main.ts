#!/usr/bin/env node
/** The command line: one thin file per command, which imports its dependencies when it runs, so that help is instant. */
import { type CAC, cac } from 'cac';
import { UsageError } from '../errors.js';
import { packageVersion } from '../libtorch.js';
import { nearest } from '../nearest.js';
import { requireWorkingFolder } from '../working-folder.js';
import { registerDemo } from './demo.js';
import { ignoreHangUp } from './detached.js';
import { registerDoctor } from './doctor.js';
import { registerEmbed } from './embed.js';
import { registerEvaluate } from './evaluate.js';
import { reportFailure } from './failure.js';
import { registerFetch } from './fetch.js';
import { joinDashes } from './flags.js';
import { registerGenerate } from './generate.js';
import { registerMerge } from './merge.js';
import { watchOutput } from './output.js';
import { registerReport } from './report.js';
import { registerScore } from './score.js';
import { registerTrain } from './train.js';

function createCli(): CAC {
  const cli = cac('exit-rl');
  for (const register of [
    registerDemo,
    registerTrain,
    registerEvaluate,
    registerGenerate,
    registerScore,
    registerEmbed,
    registerMerge,
    registerFetch,
    registerDoctor,
    registerReport,
  ]) {
    register(cli);
  }
  cli.help();
  cli.version(packageVersion());
  return cli;
}

function unknownCommand(cli: CAC): UsageError {
  const names = cli.commands.map((command) => command.name);
  const name = cli.args[0];
  if (name === undefined) return new UsageError(`a command is missing: ${names.join(', ')}`);
  const meant = nearest(name, names);
  return new UsageError(`no command \`${name}\`${meant ? `, did you mean \`${meant}\`?` : `: ${names.join(', ')}`}`);
}

/** The words that the parser sees: of `train` without the flags of the config, whose types the schema decides. */
async function parserWords(cli: CAC, argv: readonly string[]): Promise<string[]> {
  const command = cli.commands.find(({ name }) => name === 'train' && name === argv[2]);
  if (command === undefined) return joinDashes(argv);
  const { readTrainLine } = await import('./train-line.js');
  const { source, command: own } = readTrainLine(command, argv);
  return [...argv.slice(0, 3), ...(source === undefined ? [] : [source]), ...joinDashes(own)];
}

async function run(argv: readonly string[]): Promise<void> {
  const cli = createCli();
  cli.parse(await parserWords(cli, argv), { run: false });
  if (cli.options.help || cli.options.version) return;
  if (cli.matchedCommand === undefined) throw unknownCommand(cli);
  requireWorkingFolder();
  await cli.runMatchedCommand();
}

watchOutput();
ignoreHangUp();
await run(process.argv).catch((error: unknown) => reportFailure(error, process.argv.includes('--json')));
