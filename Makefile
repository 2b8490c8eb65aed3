# Everything a person runs, one target each; `make` alone lists them.

# results, data and experiment; what is empty here is set by conf/luigi.cfg and the tasks
ROOT       =
DATASET    = virtual:small
EXPERIMENT = geolocation
# local: the scheduler inside the command; central: the one of `make scheduler`
SCHEDULER  = local
# more options of the command, such as ARGS='--workers 2'
ARGS       =
# folder of the rasters, images and series where they are not below DATASET
IMAGERY    =
# of tiles and cubes: a file in glc/covariates; series, landsat or bioclim
COVARIATE  = sentinel2
KIND       = bioclim
# of the tables of Tighnari and of Inria: cpu (reduced sizes) or gpu (full ones)
PRESET     = cpu
# of the papers' tables: yes writes the Kaggle file of each row; a CSV with the columns row, public, private
SUBMISSIONS =
LEADERBOARD =
# of nets of images: folder of pre-trained weights, <timm name>.safetensors or .pth
WEIGHTS    =
# of nceas and norberg: folders of the benchmarks' tables
NCEAS      =
NORBERG    =
# of location-tasks: folders of labelled places, and encoders as JSON, '{"label": "PATH"}'
LOCATION   = virtual:globe
HABITATS   =
ENCODERS   =
# of location-encoder, -localise and -tasks: imagery of the globe, a GeoTIFF of many bands, or a folder, zip or tar of
# patches with an index.csv; of location-localise, -similarity and nets that read one: an encoder
GLOBE      = virtual:globe
ENCODER    =
# of location-places: a folder of prec_monthly.tif, tmean_monthly.tif and altitude*.tif
RASTERS    =
# of sweep: a file of conf/sweeps without its ending, or the path of one
SWEEP      = dsgt-table2
# of low-pass and location-tasks: a GeoTIFF; of low-pass and location-similarity: the picture
RASTER     =
OUT        = low-pass.png
# of the tests: processes; of mutants, fuzz and torture: seed, number, seconds, number
JOBS       = 2
SEED       = 1
N          = 40
SECONDS    = 60
KILLS      = 100
# of the VM at Google Cloud (docs/cloud.md); these three are taken from the environment, too
PROJECT   ?=
ZONE      ?=
BUCKET    ?=
# its name, machine type, GPU (N1 machines only; G2 and A2 bring one), GB of disk; the hours after which it stops at the
# latest; yes for a spot VM; the service account that it runs as
VM         = glc
MACHINE    = e2-standard-8
ACCELERATOR =
DISK       = 100
HOURS      = 12
SPOT       =
ACCOUNT    =
# 1 prints the commands of vm-... and runs none
DRY       ?=
# an activated environment is used; otherwise one is made here
VENV      ?= $(or $(VIRTUAL_ENV),.venv)
# what an environment is made of, empty: the newest of 3.11 to 3.13 that is found; cpu or cuda, empty: as the driver asks
PYTHON    ?=
TORCH     ?=

EXPERIMENTS := $(patsubst conf/experiments/%.toml,%,$(sort $(wildcard conf/experiments/*.toml)))
# experiments of the location encoder, called location or location-…
ENCODERS_OF := $(filter location location-%,$(EXPERIMENTS))
BENCHES     := $(subst _,-,$(patsubst glc/bench/stages/%.py,bench-%,$(sort $(wildcard glc/bench/stages/[a-z]*.py))))
TARGETS     := $(shell sed -n 's/^\([a-z][a-z0-9-]*\):.*\#\#.*/\1/p' Makefile)

ifneq ($(filter $(EXPERIMENTS),$(TARGETS)),)
$(error conf/experiments/$(firstword $(filter $(EXPERIMENTS),$(TARGETS))).toml has the name of a target of the \
Makefile; rename the file)
endif
ifeq ($(filter local central,$(SCHEDULER)),)
$(error SCHEDULER=$(SCHEDULER): expected local or central)
endif

BIN    := $(VENV)/bin
# what runs experiments, and that with all extras and the tools of the tests
CORE   := $(VENV)/.glc-core
READY  := $(VENV)/.glc-installed
CENTRAL = $(if $(filter central,$(SCHEDULER)),LUIGI_CONFIG_PATH=conf/luigi-vm.cfg )
# python -m luigi, not luigi: only it finds the top-level package tasks
LUIGI   = $(CENTRAL)$(BIN)/python -m luigi --module
# a file's tests share their outputs, so they run in one process; long files start first (tests/conftest.py)
# with bytecode, wherever it is turned off: hundreds of programs that tests start would compile the package each time
PYTEST  = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
# import everything, read batches, and run, predict with and map an experiment of each kind
LOWEST  = tests/test_registry.py tests/test_contracts.py tests/nets/inputs tests/sdm \
  $(patsubst %,tests/tasks/test_%.py,dag imagery_nets maps model predict run stack submission training)
PLAIN   = --dataset '$(DATASET)'$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))
PLACED  = $(PLAIN)$(if $(IMAGERY), --imagery-folder '$(IMAGERY)')$(if $(ENCODER), --location-encoder '$(ENCODER)')
ON      = $(PLACED)$(if $(WEIGHTS), --weights-folder '$(WEIGHTS)')
ROWS    = $(ON)$(if $(SUBMISSIONS), --submissions)$(if $(LEADERBOARD), --leaderboard '$(LEADERBOARD)')
# without an installation: gcloud and Python are enough
AT_GCP  = --project '$(PROJECT)' --zone '$(ZONE)' --bucket '$(BUCKET)' --vm '$(VM)' --hours '$(HOURS)' --dry '$(DRY)'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: $(TARGETS) $(EXPERIMENTS) $(BENCHES)

# a target that there is none of; + runs it under make -n too
.DEFAULT:
	+@near=$$(printf '%s\n' $(TARGETS) $(EXPERIMENTS) $(BENCHES) | '$(or $(PYTHON),python3)' -c 'import difflib, sys; \
	  near = difflib.get_close_matches("$@", sys.stdin.read().split(), 3); \
	  print("; did you mean " + ", ".join(near) + "?" if near else ".")' 2>/dev/null); \
	  echo "no target or experiment '$@'$${near:-.} make help lists the targets, make list the experiments" >&2; exit 1

# `## text` behind a target lists it; `##+` puts it on the line of the next one; `##@` starts a group
help:  ## this list
	@echo 'make TARGET [VARIABLE=VALUE ...]'
	@awk '/^##@ / { print substr($$0, 5) } \
	  /^[a-z][a-z0-9-]*:.*##/ { name = $$1; sub(":", "", name); names = names (names ? ", " : "") name; \
	    if ($$0 ~ /##\+/) next; sub(/^.*## /, ""); printf "  %-25s  %s\n", names, $$0; names = "" }' Makefile
	@echo 'Variables (all of them: top of the Makefile)'
	@echo '  DATASET=$(DATASET)  folder of survey CSVs, or virtual:tiny|small|glc24|glc20|glc20-tiny'
	@echo '  IMAGERY=$(IMAGERY)   folder of rasters, images and time series, searched before DATASET'
	@echo '  EXPERIMENT=$(EXPERIMENT)   a name from `make list`, or the path of a TOML file'
	@echo '  ROOT=$(ROOT)   folder of all outputs; ARGS=$(ARGS)   more options of the command, see `glc run --help`'
	@echo '  PRESET=gpu   full sizes for Tighnari and Inria; SCHEDULER=central   see `make scheduler`'

##@ First steps
venv: $(READY)  ## make the environment, with all extras and the tools of the tests (3 GB)
	@echo 'ready; to work in it: source $(BIN)/activate'

$(CORE): pyproject.toml constraints.txt
	@PYTHON='$(PYTHON)' TORCH='$(TORCH)' deploy/install.sh '$(VENV)'
	@touch $@

$(READY): pyproject.toml constraints.txt
	@PYTHON='$(PYTHON)' TORCH='$(TORCH)' deploy/install.sh '$(VENV)' dev
	@touch '$(CORE)' $@

demo: $(CORE)  ## install, then imagery and neighbours on the small virtual world
	$(CENTRAL)$(BIN)/glc run votes-and-tiles --dataset virtual:small$(if $(ROOT), --root '$(ROOT)')

list: $(CORE)  ##+ glc list
	@$(BIN)/glc list

status: $(CORE)  ##+ glc status
	@$(BIN)/glc status$(if $(ROOT), --root '$(ROOT)')

doctor: $(CORE)  ## experiments by paper; what is finished, with scores; check this machine
	@$(BIN)/glc doctor --dataset '$(DATASET)'$(if $(ROOT), --root '$(ROOT)')

verify: $(CORE)  ## compare all outputs with their checksums
	@$(BIN)/glc verify$(if $(ROOT), --root '$(ROOT)')

notebooks: $(READY)  ## execute notebooks/, a page each in ROOT/notebooks (ARGS=NAME for one)
	$(BIN)/python notebooks/execute.py$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

##@ Experiments: every name from `make list` is a target, such as `make votes`
submission: $(CORE)  ## EXPERIMENT on DATASET: submission, metrics and report
	$(CENTRAL)$(BIN)/glc run '$(EXPERIMENT)' $(ON)

evaluate: $(CORE)  ##+ only the metrics
	$(LUIGI) glc.tasks Evaluate --experiment '$(EXPERIMENT)' $(ON)

report: $(CORE)  ##+ metrics and report
	$(LUIGI) glc.tasks Report --experiment '$(EXPERIMENT)' $(ON)

compare: $(CORE)  ## the metrics; metrics and report; finished experiments on one page
	$(LUIGI) glc.tasks Compare $(PLAIN)

explore: $(CORE)  ##+ a map of EXPERIMENT as a page for the browser
	$(CENTRAL)$(BIN)/glc explore '$(EXPERIMENT)' $(PLAIN)$(if $(IMAGERY), --imagery-folder '$(IMAGERY)')

data-page: $(CORE)  ## look at a map (ARGS='--map NAME'); at DATASET (ARGS='--survey ID')
	$(LUIGI) glc.tasks DataPage $(PLAIN)$(if $(IMAGERY), --imagery-folder '$(IMAGERY)')

$(filter-out $(ENCODERS_OF),$(EXPERIMENTS)): $(CORE)
	$(CENTRAL)$(BIN)/glc run $@ $(ON)

$(ENCODERS_OF): $(CORE)
	$(CENTRAL)$(BIN)/glc run $@ --imagery '$(GLOBE)'$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

clean-experiment: $(CORE)  ## remove outputs of EXPERIMENT (ARGS='--task Fit --downstream')
	$(BIN)/glc clean '$(EXPERIMENT)' $(PLAIN)$(if $(IMAGERY), --imagery '$(IMAGERY)')

tiles: $(CORE)  ##+ tiles of COVARIATE around the surveys of DATASET (ARGS='--block 16 --size 128')
	$(LUIGI) glc.tasks Tiles --covariate '$(COVARIATE)' $(ON)

cubes: $(CORE)  ## tables of imagery: COVARIATE=sentinel2, KIND=series|landsat|bioclim
	$(LUIGI) glc.tasks Cubes --kind '$(KIND)' $(ON)

##@ Tables and figures of the papers
dsgt-table1: $(READY)  ##+ NN and k-NN at 5, 10, 50 km, LSH compared with exact (DS@GT 2024, section 4.5)
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Table1 $(ROWS)

dsgt-table2: $(READY)  ##+ linear and nonlinear nets by loss (DS@GT 2024, table 2)
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Table2 $(ROWS)

dsgt-table3: $(READY)  ##+ nets on coordinates, tiles, series, tile2vec (DS@GT 2024, table 3; on a CPU ARGS='--pixel-epochs 3 --pairs 100000')
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Table3 $(ROWS)

dsgt-table4: $(READY)  ## DS@GT 2024, tables
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Table4 $(ROWS)

dsgt-alternatives: $(READY)  ## DS@GT 2024, section 7.1, by row at most 60 minutes (ARGS='--minutes 5')
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Alternatives $(ROWS)

tile2vec-curves: $(READY)  ## DS@GT 2024, section 6.4: tile2vec with and without species
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Tile2vecCurves $(ON)

tighnari-table1: $(READY)  ##+ nets of images (Tighnari 2024, table 1; PRESET=gpu for full sizes, ARGS='--only ViT' for one row)
	$(LUIGI) tasks.tighnari_2024 tighnari_2024.Table1 --preset '$(PRESET)' $(ROWS)

tighnari-table2: $(READY)  ##+ nets of time series (Tighnari 2024, table 2)
	$(LUIGI) tasks.tighnari_2024 tighnari_2024.Table2 --preset '$(PRESET)' $(ROWS)

tighnari-table3: $(READY)  ## Tighnari 2024: images, series, ablation
	$(LUIGI) tasks.tighnari_2024 tighnari_2024.Table3 --preset '$(PRESET)' $(ROWS)

tighnari-curves: $(READY)  ## Tighnari 2024, figures 10 and 12 (ARGS='--table 1')
	$(LUIGI) tasks.tighnari_2024 tighnari_2024.LossCurves --preset '$(PRESET)' $(ON)

inria-table1: DATASET = virtual:glc20
inria-table1: $(READY)  ## LIRMM / Inria 2020, runs 1 to 4
	$(LUIGI) tasks.inria_2020 inria_2020.Table1 --preset '$(PRESET)' $(ROWS)

nceas: $(READY)  ##+ the NCEAS benchmark on the tables in NCEAS (ARGS='--background random')
	$(LUIGI) tasks.elith_2020 elith_2020.Nceas --data-folder '$(NCEAS)'$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

norberg: $(READY)  ## benchmarks of Elith 2020 and Norberg 2019 (NCEAS=, NORBERG=FOLDER)
	$(LUIGI) tasks.norberg_2019 norberg_2019.Communities --data-folder '$(NORBERG)'$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

paper-dsgt paper-tighnari: DATASET = virtual:tiny
paper-dsgt: $(READY)  ##+ all tables of a paper, then a page of them (ARGS='--tables 1,4' for some)
	$(LUIGI) tasks.dsgt_2024 dsgt_2024.Paper $(ON)

paper-tighnari: $(READY)  ##+ as paper-dsgt; PRESET=gpu for full sizes
	$(LUIGI) tasks.tighnari_2024 tighnari_2024.Paper --preset '$(PRESET)' $(ON)

paper-inria: DATASET = virtual:glc20-tiny
paper-inria: $(READY)  ##+ as paper-tighnari
	$(LUIGI) tasks.inria_2020 inria_2020.Paper --preset '$(PRESET)' $(ON)

paper-location: DATASET = virtual:tiny
paper-location: $(READY)  ## all tables on a page, minutes to hours
	$(LUIGI) tasks.location_2024 location_2024.Paper --experiment '$(EXPERIMENT)' --places '$(LOCATION)' --imagery '$(GLOBE)' --dataset '$(DATASET)'$(if $(HABITATS), --habitats '$(HABITATS)')$(if $(RASTER), --raster '$(RASTER)')$(if $(ENCODERS), --encoders '$(ENCODERS)')$(if $(ENCODER), --location-encoder '$(ENCODER)')$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

dct-budget: $(READY)  ## bytes, PSNR and F1 by number of DCT coefficients
	$(LUIGI) glc.tasks DctBudget $(ON)

species-embedding: $(READY)  ## node2vec vectors of the species, and their map
	$(LUIGI) glc.tasks SpeciesEmbedding $(PLAIN)

##@ Location encoder
location-encoder location-localise location-tasks paper-location: EXPERIMENT = \
  $(if $(filter virtual:% %.zip %.tar,$(GLOBE))$(wildcard $(GLOBE)/*.csv),location-patches,location)
location-encoder: $(READY)  ##+ pre-train EXPERIMENT=location-… on GLOBE, a GeoTIFF of many bands or patches (ARGS='--label NAME')
	$(LUIGI) glc.tasks PretrainLocation --experiment '$(EXPERIMENT)' --imagery '$(GLOBE)'$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

location-tiles: EXPERIMENT = location-surveys
location-tiles: $(READY)  ## pre-train on GLOBE=; on the tiles of DATASET
	$(LUIGI) glc.tasks PretrainLocationOnTiles --experiment '$(EXPERIMENT)' --dataset '$(DATASET)'$(if $(IMAGERY), --imagery-folder '$(IMAGERY)')$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

location-localise: $(READY)  ## find the places of image tiles (ARGS='--image FILE' or '--at=LON,LAT')
	$(LUIGI) tasks.location_2024 location_2024.Localise --experiment '$(EXPERIMENT)' --imagery '$(GLOBE)'$(if $(ENCODER), --encoder '$(ENCODER)')$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

location-places: $(READY)  ##+ labelled places of country borders and RASTERS=FOLDER
	$(LUIGI) glc.tasks LocationPlaces --rasters '$(RASTERS)'$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

location-tasks: $(READY)  ## make labelled places; compare encoders on them (LOCATION=)
	$(LUIGI) tasks.location_2024 location_2024.$(if $(ENCODERS),Downstream,$(if $(GLOBE),Variants --imagery '$(GLOBE)',Downstream)) --experiment '$(EXPERIMENT)' --places '$(LOCATION)'$(if $(HABITATS), --habitats '$(HABITATS)')$(if $(RASTER), --raster '$(RASTER)')$(if $(ENCODERS), --encoders '$(ENCODERS)')$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

location-species: $(READY)  ## what ENCODER adds to the species nets (ARGS='--folds 2 --seeds 1')
	$(LUIGI) tasks.location_2024 location_2024.Species $(ROWS)

location-reference: $(READY)  ## the nearest places on the folds of LOCATION (and HABITATS)
	$(BIN)/python -m glc.location.downstream '$(LOCATION)'$(if $(HABITATS), --habitats '$(HABITATS)')

location-similarity: OUT = similarity.png
location-similarity: $(READY)  ## map of similarity to a place by ENCODER, to OUT (ARGS='--at=LON,LAT')
	$(BIN)/python -m glc.report.location '$(ENCODER)' '$(OUT)' $(ARGS)

##@ Machine and development
vm-create:  ##+ a VM that installs glc by itself (MACHINE=, ACCELERATOR=, DISK=, SPOT=yes)
	@'$(or $(PYTHON),python3)' deploy/gcp/vm.py create $(AT_GCP) --machine '$(MACHINE)' --accelerator '$(ACCELERATOR)' --disk '$(DISK)' --spot '$(SPOT)' --account '$(ACCOUNT)'

vm-run:  ##+ EXPERIMENT on DATASET (and IMAGERY), virtual:… or gs://…, outputs to BUCKET; then the VM stops
	@'$(or $(PYTHON),python3)' deploy/gcp/vm.py run $(AT_GCP) --experiment '$(EXPERIMENT)' --dataset '$(DATASET)' --imagery '$(IMAGERY)' '--args=$(ARGS)'

vm-logs:  ##+ its logs, from the bucket once it is stopped
	@'$(or $(PYTHON),python3)' deploy/gcp/vm.py logs $(AT_GCP)

vm-ssh:  ##+ a shell on it, and its scheduler at http://localhost:8082
	@'$(or $(PYTHON),python3)' deploy/gcp/vm.py ssh $(AT_GCP)

vm-delete:  ## EXPERIMENT on a VM of Google Cloud (docs/cloud.md)
	@'$(or $(PYTHON),python3)' deploy/gcp/vm.py delete $(AT_GCP)
wandb-sync: $(READY)  ##+ upload the runs in ROOT/wandb
	@$(BIN)/glc wandb sync$(if $(ROOT), --root '$(ROOT)')

sweep: $(READY)  ##+ start the sweep conf/sweeps/SWEEP.yaml (ARGS=--dry-run)
	@$(BIN)/glc wandb sweep '$(SWEEP)' $(PLAIN)$(if $(IMAGERY), --imagery '$(IMAGERY)')

dashboard: $(READY)  ## W&B: upload runs in ROOT; SWEEP=dsgt-table2; a dashboard
	@$(BIN)/glc wandb dashboard$(if $(ARGS), $(ARGS))

scheduler: $(READY)  ## the central scheduler, http://localhost:8082 (runs until Ctrl-C)
	@$(BIN)/python -m glc.tasks.scheduler $(ARGS)

world-check: $(READY)  ## signal of the virtual world: oracle, baselines, gain of each modality
	$(BIN)/python -m glc.bench.world $(ARGS)

bench-curves: $(READY)  ##+ time and memory by size
	$(BIN)/python -m glc.bench.curves$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

bench: $(READY)  ## each stage next to what one would otherwise do; bench-STAGE: one
	$(BIN)/python -m glc.bench$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

$(BENCHES): bench-%: $(READY)
	$(BIN)/python -m glc.bench $*$(if $(ROOT), --root '$(ROOT)')$(if $(ARGS), $(ARGS))

low-pass: $(READY)  ## what low DCT coefficients keep of RASTER, to OUT (ARGS='--at=LON,LAT')
	$(BIN)/python -m glc.report.lowpass '$(RASTER)' '$(OUT)' $(ARGS)

test: $(READY)  ##+ before every commit: all tests except the slow ones (JOBS=2 processes)
	$(PYTEST) -m 'not slow' $(ARGS)

# in an environment for its version, below build
test-python:  ##+ make test on another Python
	@test -n '$(PYTHON)' || { echo 'PYTHON is empty; try: make test-python PYTHON=python3.13' >&2; exit 1; }
	$(MAKE) test PYTHON='$(PYTHON)' VENV="build/python$$('$(PYTHON)' -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

test-lowest:  ##+ experiments of each kind with the lowest versions within the bounds
	rm -rf build/lowest
	PYTHON='$(PYTHON)' TORCH='$(TORCH)' RESOLUTION=lowest-direct deploy/install.sh build/lowest dev
	$(subst $(BIN),build/lowest/bin,$(PYTEST)) -m 'not slow' $(LOWEST) $(ARGS)

test-all: $(READY)  ## before each commit; on PYTHON=; on lowest versions; all
	$(PYTEST) $(ARGS)

mutants: $(READY)  ##+ break N random lines one by one; list what no test finds (SEED=, N=)
	$(BIN)/python -m tests.mutants --seed $(SEED) --count $(N) $(ARGS)

fuzz: $(READY)  ##+ break survey files and experiments at random
	$(BIN)/python -m tests.fuzz --seed $(SEED) --seconds $(SECONDS) $(ARGS)

torture: $(READY)  ## break code (N=), input files (SECONDS=), and running commands (KILLS=)
	$(BIN)/python -m tests.torture --seed $(SEED) --kills $(KILLS) $(ARGS)

lint: $(READY)  ##+ ruff, the import contracts and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(READY)  ## check style and import contracts; fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(READY)  ## known vulnerabilities of the installed packages, or "not checked"
	$(BIN)/python -m tests.audit

options: $(READY)  ##+ write docs/options.md and the schema of experiments from the code
	$(BIN)/python -m glc.config.reference

# for Linux and macOS and all Pythons at once; the bounds that all lines share are left out
constraints: $(READY)  ##+ constraints.txt from pyproject.toml; pins that still fit are kept (ARGS=--upgrade: none are)
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
	  --no-emit-package pip --no-emit-package setuptools --custom-compile-command 'make constraints' \
	  --output-file constraints.txt $(ARGS) pyproject.toml
	sed -i.old "s/ ; python_full_version < '3.14' and sys_platform != 'win32'$$//; s/python_full_version < '3.14' and //; s/ and sys_platform != 'win32'//" constraints.txt && rm constraints.txt.old

docs: $(READY)  ## write options.md, version pins (ARGS=--upgrade), the site of docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)
