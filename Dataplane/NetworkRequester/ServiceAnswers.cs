using System.Buffers;
using System.Runtime.CompilerServices;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.NetworkRequester;

/// <summary>
/// The answers to control requests and queries, encoded once, complete with their envelope. Immutable: the control plane makes a new
/// one when the policy changes and publishes it.
/// </summary>
internal sealed class ServiceAnswers
{
    private static readonly byte[] s_health = Encode((Span<byte> d, out int n) => ResponseWriter.TryWriteControl(d, ControlKind.Health, [], out n));
    private static readonly byte[] s_versions = Encode(
        (Span<byte> d, out int n) => ResponseWriter.TryWriteControl(d, ControlKind.SupportedVersions, SupportedVersions.OwnJson, out n));
    private static readonly byte[] s_binaryInformation = Encode((Span<byte> d, out int n) => ResponseWriter.TryWriteControl(
        d, ControlKind.BinaryInformation, BinaryInformation.Of(typeof(ServiceAnswers).Assembly).ToJson(), out n));
    private static readonly byte[] s_controlError = Encode((Span<byte> d, out int n) => ResponseWriter.TryWriteControl(
        d, ControlKind.Error, """{"message":"unknown control request"}"""u8, out n));
    private static readonly byte[] s_queryError = Encode(
        (Span<byte> d, out int n) => ResponseWriter.TryWriteQueryError(d, "unknown query"u8, out n));

    private readonly byte[] _openProxy;
    private readonly byte[] _description;
    private readonly byte[] _exitPolicy;

    /// <param name="openProxy">Any destination is allowed that the address guard allows.</param>
    /// <param name="description">Free text.</param>
    /// <param name="upstream">URL of the policy; empty for an open proxy.</param>
    /// <param name="rules">The rules in force, in order.</param>
    public ServiceAnswers(bool openProxy, string description, string upstream, IReadOnlyList<ExitPolicyEntry> rules)
    {
        // The fixed answers too, now: otherwise a core would encode them when the first client asks.
        RuntimeHelpers.RunClassConstructor(typeof(ServiceAnswers).TypeHandle);
        _openProxy = Encode((Span<byte> d, out int n) => ResponseWriter.TryWriteOpenProxy(d, openProxy, out n));
        _description = Encode(
            (Span<byte> d, out int n) => ResponseWriter.TryWriteDescription(d, System.Text.Encoding.UTF8.GetBytes(description), out n));
        _exitPolicy = Encode(
            (Span<byte> d, out int n) => ResponseWriter.TryWriteExitPolicy(d, enabled: true, upstream, rules, out n));
    }

    private delegate bool Writer(Span<byte> destination, out int bytesWritten);

    public static ReadOnlySpan<byte> QueryError => s_queryError;

    public static ReadOnlySpan<byte> ControlError => s_controlError;

    public static ReadOnlySpan<byte> For(ControlKind control) => control switch
    {
        ControlKind.Health => s_health,
        ControlKind.BinaryInformation => s_binaryInformation,
        ControlKind.SupportedVersions => s_versions,
        _ => s_controlError,
    };

    public ReadOnlySpan<byte> For(QueryKind query) => query switch
    {
        QueryKind.OpenProxy => _openProxy,
        QueryKind.Description => _description,
        QueryKind.ExitPolicy => _exitPolicy,
        _ => s_queryError,
    };

    private static byte[] Encode(Writer writer)
    {
        for (int size = 1024; ; size *= 2)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(size);
            bool fits = writer(buffer, out int written);
            byte[] answer = fits ? buffer[..written] : [];
            ArrayPool<byte>.Shared.Return(buffer);
            if (fits)
                return answer;
        }
    }
}

/// <summary>Where the control plane puts the current <see cref="ServiceAnswers"/> and every shard reads them.</summary>
internal sealed class PublishedAnswers(ServiceAnswers current)
{
    private volatile ServiceAnswers _current = current;

    public ServiceAnswers Current => _current;

    public void Publish(ServiceAnswers answers) => _current = answers;
}
