/**
 * The command tree: what can be typed, and what its help says. Handlers are loaded when they are
 * needed, so that a command pays only for what it uses.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import {
  bundleFile,
  choice,
  exactVersion,
  installing,
  keyName,
  metrics,
  minAcks,
  mirroring,
  packageNames,
  pinnedName,
  production,
  projectDir,
  retryRefused,
  runFlags,
  signingKey,
  spec,
  trustedKey,
  undo,
  watch
} from "./Flags.ts"
import * as Session from "./Session.ts"
import * as Settings from "./Settings.ts"
import { simFlags } from "./SimFlags.ts"

const lazily = <A, E, R>(load: () => Promise<Effect.Effect<A, E, R>>) => Effect.flatten(Effect.promise(load))

/** `onStay` is told when a command has done its work and only waits to be stopped. */
export const make = (onStay: () => void) => {
  const root = Command.make("ls-cli").pipe(
    Command.withSharedFlags(Settings.flags),
    Command.withDescription(
      "Publish, find and install packages without a registry: records in the BitTorrent DHT, packages as torrents."
    )
  )

  const inSession = <A, E, R>(load: () => Promise<Effect.Effect<A, E, R>>) =>
    Effect.flatMap(root, (raw) => lazily(load).pipe(Effect.provide(Session.layer(raw, onStay))))

  const testnet = Command.make(
    "testnet",
    {
      nodes: Flag.Int("nodes").pipe(
        Flag.withMetavar("count"),
        Flag.withDescription("How many DHT nodes (default: 20)"),
        Flag.withDefault(20)
      )
    },
    ({ nodes }) => inSession(() => import("./commands/Testnet.ts").then(({ run }) => run(nodes)))
  ).pipe(
    Command.withDescription(
      "Run a DHT of your own on this machine, to try things out; prints its address and stays up"
    ),
    Command.withExamples([{ command: "ls-cli testnet --nodes 20", description: "Twenty nodes on 127.0.0.1" }])
  )

  const sim = Command.make("sim", simFlags, (flags) =>
    inSession(() => import("./commands/Sim.ts").then(({ run }) => run(flags)))
  ).pipe(
    Command.withDescription(
      "Play the registry on a hostile network, everything of it from one number; no --timeout ends it"
    ),
    Command.withExamples([
      { command: "ls-cli sim --seeds 200", description: "200 seeds, over all scenarios" },
      { command: "ls-cli sim --seeds 1 --start 17 --html out.html", description: "One of them, as a page" }
    ])
  )

  const daemon = Command.make("daemon", { watch, metrics }, (flags) =>
    inSession(() => import("./commands/Daemon.ts").then(({ run }) => run(flags)))
  ).pipe(
    Command.withDescription(
      "Keep a warm DHT node for the other commands of this home, and keep the records in the store alive"
    ),
    Command.withExamples([
      { command: "ls-cli daemon", description: "Stays up; ls-cli resolve and the others use it from now on" },
      { command: "ls-cli daemon stop", description: "End it" },
      { command: "ls-cli resolve semver --no-daemon", description: "Do without it this time" }
    ]),
    Command.withSubcommands([
      Command.make("status", {}, () =>
        inSession(() => import("./commands/Daemon.ts").then(({ status }) => status))
      ).pipe(Command.withDescription("Show the daemon of this home, and how it does")),
      Command.make("metrics", {}, () =>
        inSession(() => import("./commands/Daemon.ts").then(({ metrics }) => metrics))
      ).pipe(Command.withDescription("Print what the daemon of this home has measured, as Prometheus reads it")),
      Command.make("stop", {}, () => inSession(() => import("./commands/Daemon.ts").then(({ stop }) => stop))).pipe(
        Command.withDescription("End the daemon of this home")
      )
    ])
  )

  const doctor = Command.make(
    "doctor",
    {
      timeServer: Flag.String("time-server").pipe(
        Flag.withMetavar("host:port"),
        Flag.withDescription("Whom to ask what time it is (default: a public server; on a private network nobody)"),
        Flag.optional
      ),
      write: Flag.Boolean("write").pipe(
        Flag.withDescription(
          "Put an item of no meaning, to see how long that takes (the default); --no-write: only read"
        ),
        Flag.withDefault(true)
      )
    },
    ({ timeServer, write }) =>
      inSession(async () => {
        const [{ run }, { inspect }] = await Promise.all([
          import("./commands/Doctor.ts"),
          import("./commands/Daemon.ts")
        ])
        return Effect.flatMap(inspect, (daemon) => run({ timeServer, noWrite: !write }, daemon))
      })
  ).pipe(
    Command.withDescription("Examine how well this machine reaches the network, and say what to do about it"),
    Command.withExamples([
      { command: "ls-cli doctor", description: "The public DHT" },
      {
        command: "ls-cli doctor --no-write --time-server time.example.org:123",
        description: "Put nothing; ask this clock"
      }
    ])
  )

  const keys = Command.make("keys").pipe(
    Command.withDescription("Make and show your keys"),
    Command.withSubcommands([
      Command.make("new", { name: keyName("name") }, ({ name }) =>
        inSession(() => import("./commands/Keys.ts").then(({ create }) => create(name)))
      ).pipe(Command.withDescription("Make a key; it is your identity as a publisher")),
      Command.make("list", {}, () => inSession(() => import("./commands/Keys.ts").then(({ list }) => list))).pipe(
        Command.withDescription("List your keys")
      ),
      Command.make("show", { name: keyName("name") }, ({ name }) =>
        inSession(() => import("./commands/Keys.ts").then(({ show }) => show(name)))
      ).pipe(Command.withDescription("Show a public key in its three spellings"))
    ])
  )

  const publish = Command.make(
    "publish",
    {
      path: Argument.String("path").pipe(
        Argument.withDescription("Directory of a package, or a .tgz made by npm pack"),
        Argument.withDefault(".")
      ),
      key: signingKey,
      seed: Flag.Boolean("seed").pipe(
        Flag.withDescription("Stay, and serve the package to others"),
        Flag.withDefault(false)
      ),
      dryRun: Flag.Boolean("dry-run").pipe(
        Flag.withDescription("Show what would be written, and write nothing"),
        Flag.withDefault(false)
      ),
      minAcks
    },
    ({ path, ...flags }) => inSession(() => import("./commands/Publish.ts").then(({ run }) => run(path, flags)))
  ).pipe(
    Command.withDescription("Publish a package under your key"),
    Command.withExamples([
      { command: "ls-cli publish ./my-package --seed", description: "Publish a directory and serve it" },
      { command: "ls-cli publish my-package-1.0.0.tgz", description: "Publish a tarball as it is" },
      { command: "ls-cli publish --dry-run", description: "See what would be written, before it is for good" }
    ])
  )

  const mirror = Command.make(
    "mirror",
    {
      specs: Argument.String("spec").pipe(
        Argument.withDescription("Package of the registry, with a version, a range or a tag if wanted"),
        Argument.variadic({ min: 1 })
      ),
      ...mirroring,
      key: signingKey,
      minAcks
    },
    ({ specs, ...flags }) => inSession(() => import("./commands/Mirror.ts").then(({ run }) => run(specs, flags)))
  ).pipe(
    Command.withDescription(
      "Publish packages of an npm registry, and all that they depend on, under your key, byte for byte; --timeout is for each of them"
    ),
    Command.withExamples([
      { command: "ls-cli mirror express@^5 --dry-run", description: "Show what that is, and how large" },
      { command: "ls-cli mirror express@^5 --key mirror", description: "With a key of its own for what is mirrored" }
    ])
  )

  const yank = Command.make(
    "yank",
    { version: exactVersion, undo, key: signingKey, minAcks },
    ({ version, ...flags }) => inSession(() => import("./commands/Yank.ts").then(({ run }) => run(version, flags)))
  ).pipe(
    Command.withDescription("Withdraw a version: ranges no longer choose it, its exact number still works"),
    Command.withExamples([
      { command: "ls-cli yank my-package@1.2.3", description: "Withdraw 1.2.3" },
      { command: "ls-cli yank my-package@1.2.3 --undo", description: "Offer it again" }
    ])
  )

  const deprecate = Command.make(
    "deprecate",
    { version: exactVersion, undo, key: signingKey, minAcks },
    ({ version, ...flags }) => inSession(() => import("./commands/Deprecate.ts").then(({ run }) => run(version, flags)))
  ).pipe(
    Command.withDescription("Advise against a version: it is still chosen, with a warning"),
    Command.withExamples([{ command: "ls-cli deprecate my-package@1.2.3", description: "Advise against 1.2.3" }])
  )

  const trust = Command.make("trust").pipe(
    Command.withDescription("Decide about publishers: keys that you trust, names that you pinned to one"),
    Command.withSubcommands([
      Command.make("list", {}, () => inSession(() => import("./commands/Trust.ts").then(({ list }) => list))).pipe(
        Command.withDescription("Show pins, trusted keys, revoked keys, and proofs against publishers")
      ),
      Command.make(
        "add",
        {
          key: trustedKey,
          note: Flag.String("note").pipe(
            Flag.withMetavar("text"),
            Flag.withDescription("Whose key it is, for yourself"),
            Flag.optional
          )
        },
        ({ key, note }) => inSession(() => import("./commands/Trust.ts").then(({ add }) => add(key, note)))
      ).pipe(Command.withDescription("Trust a key; the policy userTrust takes trusted publishers only")),
      Command.make("remove", { key: trustedKey }, ({ key }) =>
        inSession(() => import("./commands/Trust.ts").then(({ remove }) => remove(key)))
      ).pipe(Command.withDescription("Trust a key no longer")),
      Command.make("pin", { name: pinnedName, key: trustedKey }, ({ key, name }) =>
        inSession(() => import("./commands/Trust.ts").then(({ pin }) => pin(name, key)))
      ).pipe(Command.withDescription("Take a name from this publisher and nobody else, from now on")),
      Command.make("unpin", { name: pinnedName }, ({ name }) =>
        inSession(() => import("./commands/Trust.ts").then(({ unpin }) => unpin(name)))
      ).pipe(Command.withDescription("Forget which publisher a name was taken from; the next install pins it anew"))
    ])
  )

  const revoke = Command.make(
    "revoke",
    {
      key: signingKey,
      reason: Flag.String("reason").pipe(
        Flag.withMetavar("text"),
        Flag.withDescription("Why, for everybody to read"),
        Flag.optional
      ),
      successor: Flag.String("successor").pipe(
        Flag.withMetavar("key"),
        Flag.withDescription("Your new public key, as a hint to your users"),
        Flag.optional
      ),
      yes: Flag.Boolean("yes").pipe(
        Flag.withDescription("Really do it; without this, only say what would happen"),
        Flag.withDefault(false)
      )
    },
    (flags) => inSession(() => import("./commands/Revoke.ts").then(({ run }) => run(flags)))
  ).pipe(Command.withDescription("Revoke one of your keys, for good: nothing signed by it is believed any more"))

  const store = Command.make("store").pipe(
    Command.withDescription("Look after what this home has stored: read it all, repair it, make room"),
    Command.withSubcommands([
      Command.make(
        "verify",
        {
          repair: Flag.Boolean("repair").pipe(
            Flag.withDescription("Have what is damaged made whole from the swarm; without this, nothing is changed"),
            Flag.withDefault(false)
          )
        },
        ({ repair }) => inSession(() => import("./commands/Store.ts").then(({ verify }) => verify(repair)))
      ).pipe(
        Command.withDescription("Read everything, and compare it with what was signed"),
        Command.withExamples([
          { command: "ls-cli store verify", description: "Tell what is damaged" },
          { command: "ls-cli store verify --repair", description: "And fetch it again" }
        ])
      ),
      Command.make(
        "prune",
        {
          olderThan: Flag.Finite("older-than").pipe(
            Flag.withMetavar("days"),
            Flag.withDescription(
              "Remove what was of no use for so many days (default: what the lock file of no known project names)"
            ),
            Flag.optional
          ),
          dryRun: Flag.Boolean("dry-run").pipe(
            Flag.withDescription("Show what would go, and remove nothing"),
            Flag.withDefault(false)
          )
        },
        (flags) => inSession(() => import("./commands/Store.ts").then(({ prune }) => prune(flags)))
      ).pipe(
        Command.withDescription("Make room; what you have published yourself stays"),
        Command.withExamples([
          { command: "ls-cli store prune --dry-run", description: "What no project of this machine uses" },
          { command: "ls-cli store prune --older-than 30", description: "What was of no use for a month" }
        ])
      ),
      Command.make("path", { spec: spec.pipe(Argument.optional), publisher: choice.publisher }, ({ publisher, spec }) =>
        inSession(() => import("./commands/StoreView.ts").then(({ path }) => path(spec, publisher)))
      ).pipe(
        Command.withDescription("Print where a stored release lies, or the home"),
        Command.withExamples([{ command: "ls-cli store path semver@^7", description: "The newest one that is stored" }])
      ),
      Command.make("stats", {}, () =>
        inSession(() => import("./commands/StoreView.ts").then(({ stats }) => stats))
      ).pipe(Command.withDescription("Count what is stored, and which names are there in several versions"))
    ])
  )

  const seed = Command.make(
    "seed",
    {
      specs: spec.pipe(Argument.variadic()),
      ...choice,
      retryRefused,
      watch,
      metrics
    },
    ({ specs, ...choice }) => inSession(() => import("./commands/Seed.ts").then(({ run }) => run(specs, choice)))
  ).pipe(
    Command.withDescription(
      "Serve everything in your store, after fetching the packages named, and keep their records alive"
    ),
    Command.withExamples([{ command: "ls-cli seed semver@^7 ms", description: "Fetch two packages and serve them" }])
  )

  const resolve = Command.make(
    "resolve",
    {
      spec,
      ...choice,
      why: Flag.Boolean("why").pipe(
        Flag.withDescription("Show how it was chosen: what was looked up, and why others lost"),
        Flag.withDefault(false)
      )
    },
    ({ spec, why, ...choice }) =>
      inSession(() => import("./commands/Resolve.ts").then(({ run }) => run(spec, choice, why)))
  ).pipe(
    Command.withDescription("Show which release an install would take"),
    Command.withExamples([{ command: "ls-cli resolve semver@^7 --why", description: "And why that one" }])
  )

  const lock = Command.make(
    "lock",
    {
      specs: spec.pipe(Argument.variadic()),
      dir: projectDir,
      ...choice,
      retryRefused
    },
    ({ dir, specs, ...choice }) =>
      inSession(() => import("./commands/Lock.ts").then(({ run }) => run(specs, dir, choice)))
  ).pipe(
    Command.withDescription(
      "Resolve a project's whole tree of dependencies, fetch it, and write it into libreseed.lock.json"
    ),
    Command.withExamples([
      { command: "ls-cli lock", description: "What package.json asks for" },
      { command: "ls-cli lock express@^5 --dir ./app", description: "And express" }
    ])
  )

  const bundle = Command.make(
    "bundle",
    {
      specs: spec.pipe(Argument.variadic()),
      output: Flag.String("output").pipe(
        Flag.withAlias("o"),
        Flag.withMetavar("file"),
        Flag.withDescription("File to write; one that is there is replaced")
      ),
      dir: projectDir,
      lock: Flag.Boolean("lock").pipe(
        Flag.withDescription("Take what the project's libreseed.lock.json has locked as it is locked"),
        Flag.withDefault(false)
      ),
      ...choice,
      retryRefused
    },
    ({ specs, ...options }) => inSession(() => import("./commands/Bundle.ts").then(({ run }) => run(specs, options)))
  ).pipe(
    Command.withDescription(
      "Write packages and all that they depend on, with what proves them, into one file for machines without a network"
    ),
    Command.withExamples([
      { command: "ls-cli bundle express@^5 -o express.bundle", description: "Express and its dependencies" },
      { command: "ls-cli bundle --lock -o app.bundle", description: "What the project here has locked" },
      { command: "ls-cli install express@^5 --offline --bundle express.bundle", description: "Elsewhere, offline" }
    ]),
    Command.withSubcommands([
      Command.make("import", { file: bundleFile }, ({ file }) =>
        inSession(() => import("./commands/Bundle.ts").then(({ importFile }) => importFile(file)))
      ).pipe(Command.withDescription("Verify a bundle and bring all of it into the store, or nothing; asks nobody")),
      Command.make("inspect", { file: bundleFile }, ({ file }) =>
        inSession(() => import("./commands/Bundle.ts").then(({ inspect }) => inspect(file)))
      ).pipe(Command.withDescription("Verify a bundle and list what is in it"))
    ])
  )

  const query = Command.make(
    "query",
    {
      name: Argument.String("name").pipe(Argument.withDescription("Package name")),
      policy: choice.policy
    },
    ({ name, policy }) => inSession(() => import("./commands/Query.ts").then(({ run }) => run(name, policy)))
  ).pipe(Command.withDescription("Show who publishes a name"))

  const install = Command.make(
    "install",
    { specs: spec.pipe(Argument.variadic()), ...installing, ...choice, retryRefused },
    ({ specs, ...options }) => inSession(() => import("./commands/Install.ts").then(({ run }) => run(specs, options)))
  ).pipe(
    Command.withAlias("i"),
    Command.withDescription(
      "Install what a project asks for, and packages named besides, with all that they depend on, into its node_modules"
    ),
    Command.withExamples([
      { command: "ls-cli install", description: "What package.json asks for, as the lock file has it" },
      { command: "ls-cli install semver@^7 ms --dir ./app", description: "Two packages more, for ./app" },
      { command: "ls-cli install --frozen --production", description: "On a server: what is locked and nothing else" },
      { command: "ls-cli install --allow-scripts esbuild", description: "And run the install scripts of esbuild" }
    ])
  )

  const uninstall = Command.make(
    "uninstall",
    { names: packageNames.pipe(Argument.variadic({ min: 1 })), dir: projectDir, ...choice, retryRefused },
    ({ names, ...options }) => inSession(() => import("./commands/Uninstall.ts").then(({ run }) => run(names, options)))
  ).pipe(
    Command.withAlias("rm"),
    Command.withDescription("Take packages out of a project: package.json, lock file and node_modules"),
    Command.withExamples([{ command: "ls-cli uninstall semver", description: "And what only semver needed" }])
  )

  const update = Command.make(
    "update",
    { names: packageNames.pipe(Argument.variadic()), dir: projectDir, production, ...choice, retryRefused },
    ({ names, ...options }) => inSession(() => import("./commands/Update.ts").then(({ run }) => run(names, options)))
  ).pipe(
    Command.withAlias("up"),
    Command.withDescription("Take the newest versions that package.json admits, of the packages named or of all"),
    Command.withExamples([
      { command: "ls-cli update", description: "Everything" },
      { command: "ls-cli update semver", description: "semver, wherever it is in the tree" }
    ])
  )

  const list = Command.make(
    "list",
    {
      dir: projectDir,
      all: Flag.Boolean("all").pipe(
        Flag.withDescription("Show the whole tree, not only what the project sees"),
        Flag.withDefault(false)
      )
    },
    (options) => inSession(() => import("./commands/List.ts").then(({ run }) => run(options)))
  ).pipe(
    Command.withAlias("ls"),
    Command.withDescription("Show what is installed in a project, and what does not fit its package.json")
  )

  const outdated = Command.make("outdated", { dir: projectDir, ...choice }, (options) =>
    inSession(() => import("./commands/Outdated.ts").then(({ run }) => run(options)))
  ).pipe(Command.withDescription("Show which packages of a project have newer versions"))

  const why = Command.make("why", { name: pinnedName, dir: projectDir }, ({ name, dir }) =>
    inSession(() => import("./commands/WhyInstalled.ts").then(({ run }) => run(name, { dir })))
  ).pipe(
    Command.withDescription(
      "Show through whom a package came into a project; why a release is chosen is shown by resolve --why"
    )
  )

  const verify = Command.make("verify", { dir: projectDir }, (options) =>
    inSession(() => import("./commands/Verify.ts").then(({ run }) => run(options)))
  ).pipe(Command.withDescription("Compare every file in a project's node_modules with what its publisher signed"))

  const run = Command.make("run", runFlags, ({ args, program, ...options }) =>
    inSession(() => import("./commands/Run.ts").then(({ run }) => run(program, args, options)))
  ).pipe(
    Command.withDescription(
      "Run a Node.js program that imports what its project has locked straight from the store, without node_modules; what stands behind the program is for the program"
    ),
    Command.withExamples([
      { command: "ls-cli run app.js --port 8080", description: "A program of the project; --port is its own flag" },
      { command: "ls-cli run vite build", description: "A command of a package that the project depends on" },
      { command: "ls-cli --offline run app.js", description: "With what the store holds, or not at all" }
    ])
  )

  return root.pipe(
    Command.withSubcommands([
      testnet,
      sim,
      keys,
      publish,
      mirror,
      yank,
      deprecate,
      seed,
      store,
      daemon,
      resolve,
      query,
      lock,
      bundle,
      install,
      uninstall,
      update,
      list,
      outdated,
      why,
      verify,
      run,
      trust,
      revoke,
      doctor
    ])
  )
}
