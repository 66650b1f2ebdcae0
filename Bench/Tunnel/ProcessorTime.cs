using System.Globalization;

namespace FastExit.Bench.Tunnel;

/// <summary>What a process or thread has used of the processors, by <c>proc_pid_stat(5)</c>.</summary>
internal static class ProcessorTime
{
    // USER_HZ, the unit of these files on every Linux.
    private const double TicksPerSecond = 100;
    private const int UserField = 11;
    private const int SystemField = 12;

    /// <summary>Seconds in user and system mode; 0 when it has ended.</summary>
    public static double OfProcess(int id) => Read($"/proc/{id}/stat");

    /// <inheritdoc cref="OfProcess"/>
    public static double OfThread(int processId, int threadId) => Read($"/proc/{processId}/task/{threadId}/stat");

    /// <summary>User and system time of such a line, seconds. The name may hold spaces and brackets.</summary>
    internal static bool TryParse(string line, out double seconds)
    {
        seconds = 0;
        int end = line.LastIndexOf(')');
        string[] fields = end < 0 ? [] : line[(end + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length <= SystemField
            || !long.TryParse(fields[UserField], NumberStyles.None, CultureInfo.InvariantCulture, out long user)
            || !long.TryParse(fields[SystemField], NumberStyles.None, CultureInfo.InvariantCulture, out long system))
            return false;
        seconds = (user + (double)system) / TicksPerSecond;
        return true;
    }

    private static double Read(string file)
    {
        try
        {
            return TryParse(File.ReadAllText(file), out double seconds) ? seconds : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
