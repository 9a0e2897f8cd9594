"""All that one dataset and one split show."""

from __future__ import annotations

from dataclasses import dataclass

from chmr_bench.audit.duplicates import Duplicates, duplicates
from chmr_bench.audit.labels import TaskLabels, label_counts
from chmr_bench.audit.leakage import Leak, Names, SplitGroups, leaks, split_groups
from chmr_bench.audit.similarity import Similarity, binned, to_training
from chmr_bench.contracts import Dataset, DatasetSpec, Progress, Split, no_progress
from chmr_bench.features.groups import MoleculeKeys
from chmr_bench.features.tanimoto import Bits


@dataclass(frozen=True)
class Subject:
    """A dataset, a split of it, and what tells its molecules apart.

    Attributes
    ----------
    digest : str
        Of the dataset.
    method, seed : str
        Of the split; seed is None where it draws nothing.
    molecules : MoleculeKeys
        Connectivities and those of neutral parents, "" where none can be made.
    names : Names
        n names a level.
    """

    spec: DatasetSpec
    dataset: Dataset
    digest: str
    split: Split
    method: str
    seed: int | None
    molecules: MoleculeKeys
    names: Names


@dataclass(frozen=True)
class Audit:
    """What the audit found.

    Attributes
    ----------
    leaks, leaks_with_valid : tuple[Leak, ...]
        Test rows against train, and against train and valid.
    duplicates, exact : Duplicates
        Rows of one connectivity, and rows of one canonical SMILES.
    """

    subject: Subject
    leaks: tuple[Leak, ...]
    leaks_with_valid: tuple[Leak, ...]
    split_groups: tuple[SplitGroups, ...]
    similarity: Similarity
    duplicates: Duplicates
    exact: Duplicates
    tasks: tuple[TaskLabels, ...]

    @property
    def not_evaluable(self) -> list[TaskLabels]:
        """Return the tasks that cannot be scored in test."""
        return [task for task in self.tasks if task.obstacle]

    @property
    def not_teachable(self) -> list[TaskLabels]:
        """Return the tasks of which train has no label, or only equal ones."""
        return [task for task in self.tasks if task.train_obstacle]


def audit(
    subject: Subject, bits: Bits, n_jobs: int | None = None, progress: Progress = no_progress
) -> Audit:
    """Return what a dataset and its split show.

    Parameters
    ----------
    bits : Bits
        (n, d) fingerprints for the similarity.
    """
    names, split, dataset = subject.names, subject.split, subject.dataset
    return Audit(
        subject=subject,
        leaks=leaks(names, split),
        leaks_with_valid=leaks(names, split, ("train", "valid")),
        split_groups=split_groups(names, split),
        similarity=binned(to_training(bits, split, n_jobs, progress)),
        duplicates=duplicates(names["connectivity"], dataset.y, dataset.task_names),
        exact=duplicates(names["smiles"], dataset.y, dataset.task_names),
        tasks=label_counts(dataset.y, split, dataset.task_names, subject.spec.metric),
    )
