"""Real logs: KuaiRand-Pure as the log contract, with a teacher fitted on real actions."""

from mtmd.world.kuairand.adapter import import_kuairand
from mtmd.world.kuairand.report import ImportReport, TaskQuality, TeacherReport
from mtmd.world.kuairand.teacher_config import TeacherConfig

__all__ = ["ImportReport", "TaskQuality", "TeacherConfig", "TeacherReport", "import_kuairand"]
