"""The embedded demo data: real molecules, a simulated cell with something planted to be found.

900 labelled molecules of the NCI file that rdkit installs (220 train, 80 valid, 600 test), 12 tasks
as classification (`planted`) and regression (`planted-regression`), and an unlabelled atlas of
2,335 molecules with a morphology or an expression profile. `simulate` says how the cell is made,
`ceilings` what an ideal predictor reaches. No score on these data says anything of biology: they
tell a harness or a model that can use cell data from one that cannot.

The content is pinned by digest, and was the same with rdkit 2024.03.5 and 2026.09.1.

The simulator was tuned once, with no model but the control below, and frozen as version 1. Macro
ROC-AUC on the published test labels, as ``python benchmarks/planted_trial.py`` prints it::

    label only, chosen on valid   0.662  (knn k=40)
    label only, in hindsight      0.683
    control, mean of 5 seeds      0.730  (0.733, 0.730, 0.720, 0.733, 0.735)
    ceiling from structure        0.784
    gap closed, label only chosen on valid: 56 %
    gap closed, label only in hindsight: 47 %

The control is a network from Morgan bits to the observed profiles, trained on the atlas, whose last
hidden layer feeds logistic regression. The label-only models are logistic regression, a forest,
nearest neighbours and a Gaussian process on the same bits. The validation part has 80 molecules, so
the choice made on it is a weak one; "in hindsight" is the best of all of them on the test.

Expected ceilings of version 1 (labels drawn anew a thousand times)::

                structure  profiles  state
    ROC-AUC        0.785     0.818   0.855
    MAE            0.834     0.779   0.718
    R2             0.381     0.459   0.541
"""
