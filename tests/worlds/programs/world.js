// The event loop and everything beside it: timers, a child with pipes, a forked node with its channel, a
// worker thread, and an HTTP server with a client that keeps its connection.
'use strict';
const { spawn, fork } = require('child_process');
const { Worker, isMainThread, parentPort } = require('worker_threads');
const http = require('http');
const fs = require('fs');

const tick = (name, n) => fs.writeSync(1, `tick ${name} ${n}\n`);
const bad = (...why) => fs.writeSync(1, `bad ${why.join(' ')}\n`);

if (!isMainThread) {
	parentPort.on('message', (n) => parentPort.postMessage(n * 2));
} else if (process.argv[2] === 'child') {
	process.on('message', (n) => process.send(n + 1));
} else {
	let timers = 0;
	setInterval(() => tick('timer', ++timers), 40);

	const cat = spawn('cat');
	let lines = 0;
	cat.stdout.on('data', (data) => {
		if (data.toString() !== `${lines + 1}\n`)
			bad('cat', data);
		tick('child', ++lines);
		setTimeout(() => cat.stdin.write(`${lines + 1}\n`), 30);
	});
	cat.on('exit', (status) => bad('cat ended', status));
	cat.stdin.write('1\n');

	const other = fork(__filename, ['child']);
	let answers = 0;
	other.on('message', (n) => {
		if (n !== answers + 1)
			bad('fork', n);
		tick('fork', ++answers);
		setTimeout(() => other.send(answers), 30);
	});
	other.on('exit', (status) => bad('fork ended', status));
	other.send(0);

	const worker = new Worker(__filename);
	let doubled = 0;
	worker.on('message', (n) => {
		if (n !== 2 * (doubled + 1))
			bad('worker', n);
		tick('worker', ++doubled);
		setTimeout(() => worker.postMessage(doubled + 1), 30);
	});
	worker.on('error', (e) => bad('worker', e));
	worker.postMessage(1);

	let connections = 0;
	const server = http.createServer((q, a) => a.end(`answer to ${q.url}`));
	server.keepAliveTimeout = 300000;
	server.on('connection', () => connections++);
	server.listen(0, '127.0.0.1', () => {
		const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		let asked = 0;
		const ask = () => http.get({ agent, host: '127.0.0.1', port: server.address().port, path: `/${asked + 1}` }, (a) => {
			let text = '';
			a.on('data', (d) => text += d);
			a.on('end', () => {
				if (text !== `answer to /${asked + 1}` || connections !== 1)
					bad('http', text, connections);
				tick('http', ++asked);
				setTimeout(ask, 30);
			});
		}).on('error', (e) => bad('http', e));
		ask();
	});
}
