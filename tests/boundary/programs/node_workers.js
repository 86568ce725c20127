// Workers and child processes of node.
'use strict';
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { fork, spawnSync, execFileSync } = require('child_process');
const assert = require('assert');

if (process.argv[2] === 'child') {
	process.send({ pid: process.pid, ppid: process.ppid });
	process.disconnect();
} else if (!isMainThread) {
	parentPort.postMessage(process.pid);
} else {
	assert(process.pid < 3000);
	const words = execFileSync('sh', ['-c', 'echo $PPID']).toString();
	assert.strictEqual(Number(words), process.pid);
	assert.strictEqual(spawnSync('sh', ['-c', 'kill -TERM $$']).signal, 'SIGTERM');
	for (const outside of process.env.BD_OUTSIDE.split(' '))
		assert.throws(() => process.kill(Number(outside), 0), { code: 'ESRCH' });
	new Worker(__filename).on('message', (pid) => assert.strictEqual(pid, process.pid));
	const child = fork(__filename, ['child']);
	child.on('message', (m) => {
		assert.strictEqual(m.pid, child.pid);
		assert.strictEqual(m.ppid, process.pid);
	});
	child.on('exit', (code) => assert.strictEqual(code, 0));
}
