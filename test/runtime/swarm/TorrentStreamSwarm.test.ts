import * as TorrentStreamSwarm from "../../../src/runtime/swarm/TorrentStreamSwarm.ts"
import * as SwarmSuite from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"

SwarmSuite.suite("torrent-stream over TCP", LoopbackWorld.make({}, TorrentStreamSwarm.layer))
