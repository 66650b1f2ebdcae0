using FastExit.Bench.Lab;

namespace FastExit.Bench.Tunnel;

/// <summary>Programs of this host that the measurement starts.</summary>
internal static class HostProgram
{
    // sudo's PATH may lack the last two.
    private static readonly string[] s_folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

    /// <summary>Its path; null: not installed.</summary>
    public static string? Find(string name) =>
        s_folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <exception cref="LabException">Not installed; says which Debian package brings it.</exception>
    public static string Require(string name, string package) =>
        Find(name) ?? throw new LabException($"`{name}` is not installed: apt install {package}");
}
