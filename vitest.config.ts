import * as Os from "node:os"
import * as Path from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** What takes longest, that nothing else waits for it at the end. A fresh clone has no durations to go by. */
const LONG = [
  "test/mutation/",
  "test/e2e/",
  "test/protocol/testing/scenarios/",
  "test/runtime/simulation/",
  "property-tests/"
]

class LongFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const path = Path.relative(import.meta.dirname, moduleId).replaceAll(Path.sep, "/")
      const at = LONG.findIndex((each) => path.startsWith(each))
      return at < 0 ? LONG.length : at
    }
    const bySize = super.sort.bind(this)
    // Stable: what is alike stays as it was, the projects in their groups.
    return (await bySize(files)).toSorted((self, that) =>
      self.project.name === that.project.name ? rank(self) - rank(that) : 0
    )
  }
}

const source = (path: string) => Path.resolve(import.meta.dirname, "src", path)

export default defineConfig({
  test: {
    pool: "forks",
    // One less is the default, which leaves half of a small machine idle.
    maxWorkers: Os.availableParallelism(),
    sequence: { sequencer: LongFirst },
    reporters: ["default"],
    projects: [
      {
        // What users import by the package's name, in the guides, is here the source.
        resolve: {
          alias: [
            { find: /^@libreseed\/protocol$/, replacement: source("protocol/index.ts") },
            { find: /^@libreseed\/protocol\/testing$/, replacement: source("protocol/testing/index.ts") },
            { find: /^@libreseed\/protocol\/node$/, replacement: source("runtime/index.ts") }
          ]
        },
        test: {
          name: "source",
          include: ["test/**/*.test.ts", "property-tests/**/*.test.ts"],
          exclude: ["test/bench/**", "test/interop/**", "test/package/**", "node_modules/**"],
          // Loading Effect and the library anew for each file takes longer than most files do. No file may leave
          // anything behind in its process, then: module state, spies, variables of the environment.
          isolate: false,
          restoreMocks: true,
          globalSetup: "test/QuickDisk.ts",
          // One more than there are cores: some wait for sockets and processes meanwhile.
          maxWorkers: Os.availableParallelism() + 1,
          testTimeout: 60_000,
          hookTimeout: 120_000
        }
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Programs of others wait by the clock: after the other tests, not beside them.
          sequence: { groupOrder: 1 }
        }
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Installing and bundling take all cores: after the other tests, and one file at a time.
          fileParallelism: false,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
