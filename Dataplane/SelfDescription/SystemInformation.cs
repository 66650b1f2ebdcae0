using System.Globalization;
using System.Runtime.InteropServices;

namespace FastExit.SelfDescription;

/// <summary>`/system-info`: kernel, processors and memory of this host, for explorers. Shown only where `node.expose_system_info` is set.</summary>
internal static class SystemInformation
{
    public static byte[] Read()
    {
        var processors = Processors();
        var json = new SerdeJson().StartObject()
            .Name("system_name").Value(OsRelease("NAME"))
            .Name("kernel_version").Value(File.ReadAllText("/proc/sys/kernel/osrelease").Trim())
            .Name("os_version").Value(OsRelease("VERSION_ID"))
            .Name("cpu_arch").Value(RuntimeInformation.OSArchitecture switch
            {
                Architecture.X64 => "x86_64",
                Architecture.Arm64 => "aarch64",
                var other => other.ToString(),
            })
            .Name("hardware").StartObject().Name("cpu").StartArray();
        foreach (var (name, vendor, megahertz) in processors)
            json.StartObject().Name("name").Value(name).Name("frequency").Value(megahertz).Name("vendor_id").Value(vendor).EndObject();
        return json.EndArray()
            .Name("total_memory").Value(Memory())
            .Name("crypto").Null()
            .EndObject().EndObject().ToArray();
    }

    private static List<(string Name, string Vendor, long Megahertz)> Processors()
    {
        var found = new List<(string, string, long)>();
        foreach (var block in File.ReadAllText("/proc/cpuinfo").Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            if (Value(block, "processor") is not { } number)
                continue;
            double.TryParse(Value(block, "cpu MHz"), CultureInfo.InvariantCulture, out var megahertz);
            found.Add((Value(block, "model name") ?? $"processor {number}", Value(block, "vendor_id") ?? "", (long)megahertz));
        }

        return found;
    }

    private static string? Value(string block, string name) => block.Split('\n')
        .Where(line => line.StartsWith(name, StringComparison.Ordinal) && line[name.Length..].TrimStart().StartsWith(':'))
        .Select(line => line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim())
        .FirstOrDefault();

    private static string? OsRelease(string name)
    {
        const string Path = "/etc/os-release";
        if (!File.Exists(Path))
            return null;
        var line = File.ReadLines(Path).FirstOrDefault(text => text.StartsWith(name + "=", StringComparison.Ordinal));
        return line?[(name.Length + 1)..].Trim('"');
    }

    private static long Memory()
    {
        var line = File.ReadLines("/proc/meminfo").First(text => text.StartsWith("MemTotal:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
    }
}
