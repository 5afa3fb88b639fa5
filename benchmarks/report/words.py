"""What stands around the figures in the docs."""

HEAD = """\
# Performance

Written by `make bench` from the rows under [`benchmarks/results/`](../benchmarks/results); no figure here is typed.
The servers of one table are measured in turn, in one run on one machine, and the median of the rounds is shown.
Worker RSS is the resident memory of a worker process, or of the server where that is one process. Quality is what the
variant reaches on labelled data. Of each file the newest run of each variant is shown.
"""
AIMS = """\
## What was aimed at, and what was reached

The aims are the project's own, for two cores. Each figure is a ratio or a median within one run, the newest of its
kind, which is named; what no run has measured yet is left out.

{table}
"""
SECTION = """\
## {title}

{about}

{table}

{conclusions}

Run of {run}, {rounds} rounds on {machine}, at commit {commit}, with {versions}.
"""
PICTURES = """\
`ab -k -l -c {clients}` with a 500 x 375 JPEG. Both servers run the same trained weights, TorchServe's own handler
as TorchScript. In process stands what no server can beat: the archive's handler, called by as many processes and
threads as serve best, in the same rounds."""
PEERS = """\
Each server runs the same model file and decodes with the same code, with the best settings of a small grid
([its rows](../benchmarks/results/peers-grid.csv)), but TorchServe's own handler, which has the weights in float32. Each
is asked by `ab` and by locust, {clients} clients.

![Requests a second and p99 of each server](plots/peers.svg)"""
LIMIT = """\
The archive's handler called in process, no server around it: the best of a grid of processes, threads and batches, each
point tried shortly first. In one process with all cores, by batch, it stands as the oldest system was measured. The
model alone computes on arrays that are ready; preprocessing alone makes them. Processes start together and count what
they did in one window; a time is that of a whole batch."""
GPU = """\
The archive's handler on one {card}, called in one process with no server around it, by batch; and its model alone, on
arrays that are ready. Preprocessing, inference and postprocessing are what the handler itself tells of a batch: half of
it is computed while the other half is decoded, so inference is what decoding did not hide. A time is that of a whole
batch."""
LATENCY = """\
One server with the model once for each batch delay. The load at half the maximum arrives as a Poisson process, half as
many a second as {clients} clients who do not pause got answered in the same round, and its times count from when a
request was meant to arrive. A request alone has no other within 50 ms; the handler alone answers the same, with as many
threads, in process."""
TOGETHER = """\
Four models on one server, each asked by {clients} clients who do not pause: first each alone, while the others wait,
then all at once. The sum over the models of what each does together to what it does alone would be 1 if they took
turns, each with all the cores for its share of the time. CPU time is the server's, shared evenly by its requests."""
TUNER = """\
`marina tune` three times, the first time followed by the whole grid of settings; the tool then measures its own choice
and the grid's best again in turn. What the runs chose is served side by side at the end."""
NAMES = """\
The peer is what the first entity service was: FastAPI around a transformers pipeline, which it built for every request;
built once is the least that anybody would mend. Its windows overlap, for without that it drops what lies past 512
tokens. A document has 1,000 words, a short text 18 to 26, about 32 tokens; 50 clients post those, and do not pause.
"All" is the median time until each of the requests that were sent together was answered. DistilBERT-base has random
weights, on which speed does not depend. The shipped model is asked by `ab -k -l -c 50`."""
READABILITY = """\
The peer is what the first readability service was: FastAPI around the same ONNX graph in ONNX Runtime, every text
padded or cut to 300 tokens, one by one. Marina cuts at 300 tokens here as well; the scores differ by {difference} at
most. BERT-base has random weights, on which speed does not depend. The shipped model is asked by `ab -k -l -c 50`."""
HANDWRITING = """\
The ensemble has the input sizes of the first handwriting service, {sizes} px, and random weights, on which speed
does not depend; its archive has {archive_bytes} bytes. The server, with nginx, TorchServe and its worker, is held to
one core; the users, under locust on another core, post a picture, check the answer, and pause for 2 to 5 s. Memory is
the sum of every process's PSS, at its peak; times are of requests that began after the warm-up. The most users are
the highest number that was tried for whom every request was answered, and 99 of 100 within a second. The peer is what
the first service did: a picture after another, and for each a model after another, in ONNX Runtime, in float32, without
any server around it."""
PLACES = """\
Each server with all the models, one worker each: until every one has answered, and the memory of everything then. Then
ants and bees alone, as they are served by default, asked by clients who do not pause. Plain Python answers a folder of
the same picture; until it answers, that is its first line."""
ATTACKED = """\
# Reliability

Written by `make attack` from the rows in [`benchmarks/results/attack.csv`](../benchmarks/results/attack.csv); no figure
here is typed. Marina is attacked as its users start it, with the four shipped models, on loopback. Each line names what
was done, what was found and what is allowed; without a bound it is only told. Held: {held} of {asserted}.
[How to expose Marina](../SECURITY.md).
"""
ATTACK_SECTION = """\
## {title}

{about}

{table}

{runs}
"""
ATTACK_RUN = "Run of {run} ({places}) on {machine}, at commit {commit}, with {versions}."
MUTATIONS = """\
Structural mutations know their format: forms with every fault of their headers, JSON of every depth, escape and number,
base64 and its relatives, PNG, JPEG, GIF, BMP, TIFF, BigTIFF and WebP with changed dimensions, chunks, markers, tags,
tiles and frames, texts of controls, combining marks and long words, content types that lie. Random ones flip, remove,
insert and splice bytes of good requests. Eight clients keep their connections; one request in ten is good, and its
answer must be what it is alone (scores to 1e-4, as batches of different sizes round differently). A token planted in
the inputs is looked for in everything that was written. `--seed`, `--first` and `--structural 1` repeat one input."""
MEMORY = """\
The worst inputs, allowed and refused, many at once on every model of the task. Memory is the sum of every process's
PSS, looked at twenty times a second, beyond the quiet figure: that of the same processes after full batches of good
requests. A request that is told to come again (429) comes again."""
ARCHIVES = """\
Archives that name files outside of themselves, hold pickles, links, bombs or damage, and good ones beside them. What a
hostile archive would do if anything of it ran is to write to a canary."""
KILLS = """\
A random worker, then the model server's Java, is killed (SIGKILL) again and again, while three clients of each model
ask without a pause. The next kill waits until /ping says 200 again and all workers are there."""
SLOW = """\
Slow clients send a byte every three seconds, or do not read their answers; each opens a new connection when the server
ends its last. Six good clients ask every model from 127.0.0.1, one request in five a photo of 4 MB. From the good
clients' own address nobody can tell the ones from the others, so that is only told."""
ACCESS = """\
Requests with names and origins that are not the server's, and for what is nobody's business at the door; then every TCP
port that a process of the server listens on, asked without a token and with a foreign Host."""
README = """\
| measured | Marina | beside it | |
|---|---:|---:|---:|
{lines}

Each line is the median of the rounds of one run, on {machine}, and names the variant and the runtime that Marina served
with; both sides have the same trained weights, {random} random ones, on which speed does not depend. Beside Marina:
{peers}. [How it was measured, and what was aimed at](docs/performance.md).
"""
